"""`python -m tests.editor.drive [FOLDER]`: rules opened in yaml-language-server, and what it says about them.

FOLDER is where npm installed the server (default: .editor, as `make editor` does it). Exit code 1 if it says
something else than it should, 2 if it is not there.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from notifier.rules.schema import rule_schema, windows_schema
from notifier.rules.spelling import one_spelling
from notifier.rules.vocabulary import Language
from tests.editor.server import FOLDER, Server, program

HERE = Path(__file__).parents[2]
DATA = ("windows.yaml", "documents.yaml", "calendar.yaml")
FOLDERS = (HERE / "tests" / "data" / "language_rules", HERE / "rules")
RULES = [file for folder in FOLDERS for file in sorted(folder.glob("*.yaml")) if file.name not in DATA]

RULE = """# yaml-language-server: $schema={schema}
rule: trial
title: A rule being written
legal basis: public service
for: permit
when:
  type: ITAS
to: holder
via: email
template: itas/extension
steps:
  one:
    send: {moment}
    {more}
"""


@dataclass
class Sight:
    """What was asked, what was seen, and whether that is right."""

    what: str
    seen: str
    is_right: bool


def look(folder: Path, rules: Sequence[Path]) -> list[Sight]:
    """Everything that is asked of the server installed in a folder, about a trial rule and about real ones."""
    with TemporaryDirectory() as name:
        place = Path(name).resolve()
        for language in Language:
            (place / f"rule.{language}.json").write_text(json.dumps(rule_schema(language)))
        (place / "windows.json").write_text(json.dumps(windows_schema()))
        with Server(folder, place) as server:
            return [
                *_keys(server, place),
                *_phrases(server, place),
                *_underlined(server, place),
                *_real_rules(server, place, rules),
            ]


def _write(
    place: Path, name: str, moment: str = "7 days before expiry", more: str = "", schema: str = "rule.en"
) -> Path:
    file = place / f"{name}.yaml"
    file.write_text(RULE.format(moment=moment, more=more, schema=f"{schema}.json"))
    return file


def _keys(server: Server, place: Path) -> list[Sight]:
    file = _write(place, "keys")
    server.open(file)
    labels = [item["label"] for item in server.complete(file, 13, 4)]
    wanted = {"to", "via", "template", "time", "urgent", "when", "unless", "late", "digest", "only after"}
    steps = file.read_text().replace("    send: 7 days before expiry\n    \n", "    \n")
    empty = place / "empty.yaml"
    empty.write_text(steps)
    server.open(empty)
    first = [item["label"] for item in server.complete(empty, 12, 4)]
    fields = _write(place, "fields", more="when:\n      ")
    server.open(fields)
    asked = [item["label"] for item in server.complete(fields, 14, 6)]
    hover = server.hover(file, 12, 6)
    return [
        Sight(
            "keys offered in a step that has only its name",
            _some([one for one in first if ":" not in one]),
            "send" in first and "to" in first,
        ),
        Sight("keys offered in a step that has its moment", _some(labels), wanted <= set(labels)),
        Sight("fields offered in the `when` of a step", _some(asked), {"status", "expiry", "holder has"} <= set(asked)),
        Sight("what `send` is explained as", hover.replace("\n", " "), "the moment of the step" in hover),
    ]


def _phrases(server: Server, place: Path) -> list[Sight]:
    file = _write(place, "phrases", moment="")
    server.open(file)
    moments = [item["label"] for item in server.complete(file, 12, 10)]
    late = _write(place, "choices", more="closed: ")
    server.open(late)
    closed = [item["label"] for item in server.complete(late, 13, 12)]
    return [
        Sight("phrases offered behind `send:`", _some(moments), "last working day before expiry" in moments),
        Sight("words offered behind `closed:`", _some(closed), {"earlier", "later", "ignore"} <= set(closed)),
    ]


def _underlined(server: Server, place: Path) -> list[Sight]:
    good = server.open(_write(place, "good"))
    wrong = server.open(_write(place, "wrong", moment="2 fortnights before expiry"))
    key = server.open(_write(place, "key", more="urgnt: yes"))
    field = server.open(_write(place, "field", more="when: {state: paid}"))
    return [
        Sight("a good rule", _told(good), good == []),
        Sight("send: 2 fortnights before expiry", _told(wrong), _ranges(wrong) == [(12, 10, 12, 36)]),
        Sight("urgnt: yes", _told(key), _ranges(key) == [(13, 4, 13, 9)]),
        Sight("a field of cases in a rule for permits", _told(field), _ranges(field) == [(13, 11, 13, 16)]),
    ]


def _real_rules(server: Server, place: Path, rules: Sequence[Path]) -> list[Sight]:
    """Rules in both languages, and the windows file: nothing is underlined."""
    told = []
    for number, rule in enumerate(rules):
        for language in Language:
            file = place / f"{number}-{language}-{rule.name}"
            text = one_spelling(rule.read_bytes(), rule.name, language)
            file.write_text(f"# yaml-language-server: $schema=rule.{language}.json\n{text}", encoding="utf-8")
            told += [f"{rule.name} ({language}) {_told([one])}" for one in server.open(file)]
    windows = place / "the-windows.yaml"
    windows.write_text("# yaml-language-server: $schema=windows.json\n" + (HERE / "rules" / "windows.yaml").read_text())
    told += [_told([one]) for one in server.open(windows)]
    return [Sight(f"{len(rules)} rules in both languages, and the windows", "; ".join(told) or "nothing", told == [])]


def _some(labels: list[str]) -> str:
    return ", ".join(labels[:12]) + (f" … ({len(labels)})" if len(labels) > 12 else "")


def _ranges(diagnostics: list[dict[str, Any]]) -> list[tuple[int, int, int, int]]:
    ranges = [one["range"] for one in diagnostics]
    return [
        (one["start"]["line"], one["start"]["character"], one["end"]["line"], one["end"]["character"]) for one in ranges
    ]


def _told(diagnostics: list[dict[str, Any]]) -> str:
    told = [
        f"{line + 1}:{begin + 1}-{end + 1} {one['message']}"
        for (line, begin, _, end), one in zip(_ranges(diagnostics), diagnostics, strict=True)
    ]
    return "; ".join(told) or "nothing"


def main(folder: Path) -> int:
    """Look, and print what was seen."""
    if not program(folder).is_file():
        print(f"yaml-language-server is not in {folder}; run `make editor`", file=sys.stderr)
        return 2
    sights = look(folder, RULES)
    for sight in sights:
        print(f"{'ok   ' if sight.is_right else 'WRONG'} {sight.what}\n      {sight.seen}")
    return 0 if all(sight.is_right for sight in sights) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
