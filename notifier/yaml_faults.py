"""What YAML says of a file it cannot read, in the words of somebody who never heard of YAML."""

import yaml

from notifier.errors import Fault

UNPRINTABLE = "an unprintable sign stands here; take it out"
_INDENTED = "this line is not indented like the lines it belongs to; give them the same number of blanks"
_WORD_TOO_MANY = "a word too many stands here, perhaps after a quote or a bracket; put the whole text in quotes"
_LIST_HERE = "no list with - may begin here; write [one, two], or begin the list on the next line"
_CLOSES = "a closing bracket stands here and none was opened; take it out"
_OWN_SIGN = "no value may begin with this sign; put the text in quotes"
_ENDED = "the text ends before this line; take out a line of dots, or one that begins with %"

#: Part of what YAML says, and what is told instead. The first that fits is taken.
_SAYINGS = (
    ("mapping values are not allowed", "a colon stands where none can; put the text in quotes or mend the indentation"),
    ("could not find expected ':'", "this line has no colon with a blank after it; write key: value"),
    ("<block end>, but found ']'", _CLOSES),
    ("<block end>, but found '}'", _CLOSES),
    ("<block end>, but found ':'", "the word before this colon is missing; write key: value"),
    ("<block end>, but found '-'", "a line with - stands among others; indent it below its key, or take the - out"),
    ("<block end>, but found '?'", "a line without - stands in a list; write - before it, or take the other - out"),
    ("node content, but found '-'", "a list in brackets has no -; write [one, two]"),
    ("expected <block end>", _INDENTED),
    ("sequence entries are not allowed", _LIST_HERE),
    ("expected the node content", "a value is missing here, or a sign stands that YAML keeps for itself; use quotes"),
    ("cannot start any token", _OWN_SIGN),
    ("mapping keys are not allowed", _OWN_SIGN),
    ("expected alphabetic or numeric", "a text may not begin with * or &; put it in quotes"),
    ("expected chomping or indentation", "a text that begins with | or > goes in quotes"),
    ("expected a comment or a line break", "a text that begins with | or > goes in quotes"),
    ("unknown escape character", "a \\ between double quotes begins a code; write single quotes"),
    ("expected escape sequence", "a \\ between double quotes begins a code; write single quotes"),
    ("unexpected end of stream", "a quote is opened and not closed"),
    ("expected ',' or", "a comma or a closing bracket is missing in this list"),
    ("undefined alias", "aliases (*name) are not used; write the lines out"),
    ("expected '<document start>'", _ENDED),
    ("found another document", "one file holds one text; take the line --- out"),
)
#: Where YAML notices these is beyond the place to be mended, which is where it began to read.
_TOLD_WHERE_IT_BEGAN = ("unexpected end of stream", "could not find expected ':'", "expected ',' or")


def fault_of_yaml(file: str, text: str, error: yaml.YAMLError) -> Fault:
    """The fault of a text that a loader could not read, with its place and remedy; `error` is what the loader raised.

    The text is read once more by the loader written in Python, whose words the sayings know; the one in C has others.
    """
    try:
        yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as found:
        error = found
    if isinstance(error, yaml.MarkedYAMLError):
        mark, sentence = place_and_sentence(error, text)
        return Fault(file, mark.line + 1, mark.column + 1, sentence) if mark else Fault(file, 1, 1, sentence)
    before = text[: getattr(error, "position", 0)]
    return Fault(file, before.count("\n") + 1, len(before) - before.rfind("\n"), UNPRINTABLE)


def place_and_sentence(error: yaml.MarkedYAMLError, text: str) -> tuple[yaml.Mark | None, str]:
    """Where the fault is to be mended in the text, and a sentence with the remedy."""
    problem = error.problem or "it cannot be read"
    mark = error.problem_mark
    began = error.context_mark if any(part in problem for part in _TOLD_WHERE_IT_BEGAN) else None
    if began is not None and (mark is None or began.line < mark.line or "end of stream" in problem):
        return began, _sentence(problem)
    if mark is not None and "<block end>, but found '<scalar>'" in problem and _stands_after_something(mark, text):
        return mark, _WORD_TOO_MANY
    return mark, _sentence(problem)


def _sentence(problem: str) -> str:
    return next((said for part, said in _SAYINGS if part in problem), f"this is not YAML: {problem}")


def _stands_after_something(mark: yaml.Mark, text: str) -> bool:
    """Whether the place is not the beginning of its line."""
    before = text[: mark.index]
    return bool(before[before.rfind("\n") + 1 :].strip())
