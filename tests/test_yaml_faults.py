"""What YAML refuses is told in plain words, at the place to be mended, and once."""

import pytest

from notifier.rules.source import parse_source

RULE = """rule: weekly
title: A sentence
for: permit
when:
  type: ITAP
  status: active
to: sponsor
via: [email, sms]
"""

#: What an officer writes instead of which line, where the fault is told, and how.
SLIPS = [
    ("to: sponsor", "to: - sponsor", "7:5 no list with - may begin here; write [one, two], or begin the list on"),
    ("A sentence", "- a sentence", "2:8 no list with - may begin here"),
    ("[email, sms]", "[- email, - sms]", "8:7 a list in brackets has no -; write [one, two]"),
    ("  type: ITAP\n", "  type: ITAP\n  - ITAS\n", "6:3 a line with - stands among others; indent it below its key"),
    ("  type", "  - type", "6:3 a line without - stands in a list; write - before it, or take the other - out"),
    ("to: sponsor", "to sponsor", "7:1 this line has no colon with a blank after it; write key: value"),
    ("to: sponsor", "to:sponsor", "7:1 this line has no colon with a blank after it; write key: value"),
    ("[email, sms]\n", "email\nto sponsor\n", "9:1 this line has no colon with a blank after it; write key: value"),
    ("to: sponsor", ": sponsor", "7:1 the word before this colon is missing; write key: value"),
    ("A sentence", "A sentence: this", "2:18 a colon stands where none can; put the text in quotes or mend"),
    ("  status", " status", "6:2 this line is not indented like the lines it belongs to; give them the same number"),
    ("sms]", "sms", "8:6 a comma or a closing bracket is missing in this list"),
    ("type: ITAP", "type: [ITAP", "5:9 a comma or a closing bracket is missing in this list"),
    ("sms]", "sms]]", "8:18 a closing bracket stands here and none was opened; take it out"),
    ("A sentence", '"A sentence', "2:8 a quote is opened and not closed"),
    (
        "A sentence",
        '"A" sentence',
        "2:12 a word too many stands here, perhaps after a quote or a bracket; put the whole",
    ),
    (
        "A sentence",
        "[A] sentence",
        "2:12 a word too many stands here, perhaps after a quote or a bracket; put the whole",
    ),
    ("A sentence", "@sentence", "2:8 no value may begin with this sign; put the text in quotes"),
    ("A sentence", "? a sentence", "2:8 no value may begin with this sign; put the text in quotes"),
    ("A sentence", "**A sentence**", "2:9 a text may not begin with * or &; put it in quotes"),
    ("A sentence", "|A sentence", "2:9 a text that begins with | or > goes in quotes"),
    ("A sentence", "> 3 days", "2:10 a text that begins with | or > goes in quotes"),
    ("A sentence", '"a \\d"', "2:12 a \\ between double quotes begins a code; write single quotes"),
    ("A sentence", '"C:\\u0"', "2:13 a \\ between double quotes begins a code; write single quotes"),
    ("to: sponsor", "...\nto: sponsor", "8:1 the text ends before this line; take out a line of dots, or one that"),
]


@pytest.mark.parametrize(("right", "wrong", "told"), SLIPS, ids=[repr(wrong) for _, wrong, _ in SLIPS])
def test_a_slip_is_told_in_plain_words_where_it_is_to_be_mended(right: str, wrong: str, told: str) -> None:
    assert RULE.count(right) == 1
    tree, faults = parse_source(RULE.replace(right, wrong).encode(), "weekly.yaml")
    assert tree is None
    assert [f"{fault.line}:{fault.column} {fault.message}"[: len(told)] for fault in faults] == [told]


def test_the_rule_without_a_slip_has_no_fault() -> None:
    assert parse_source(RULE.encode(), "weekly.yaml")[1] == []
