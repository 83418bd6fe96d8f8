"""Which test proves which sentence: `python -m tests.sentences` writes docs/sentences.md from the tests themselves.

A test names what it proves in its docstring, or in `proves:` of a YAML test: sentences S…, vectors V…, situations N….
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "sentences.md"
LANGUAGE = HERE.parent / "docs" / "language.md"
NUMBER = re.compile(r"\b([SVN])(\d+)(?:[–-]\1?(\d+))?")
LAST = {"S": 94, "V": 27, "N": 16}
HEAD = """\
# Which test proves which sentence

Written by `make sentences` from the tests; the sentences themselves are in [language.md](language.md). A test that only
touches a sentence does not name it.

| number | tests |
|---|---|
"""


def numbers_in(text: str) -> Iterator[str]:
    """S35, and each of S35–S37."""
    for letter, first, last in NUMBER.findall(text):
        for number in range(int(first), int(last or first) + 1):
            if number <= LAST[letter]:
                yield f"{letter}{number}"


def proofs() -> dict[str, list[str]]:
    """Number -> the tests that prove it, as `file::name`."""
    found: dict[str, list[str]] = defaultdict(list)
    for where, text in (*_python_tests(), *_yaml_tests()):
        for number in dict.fromkeys(numbers_in(text)):
            found[number].append(where)
    return found


def _python_tests() -> Iterator[tuple[str, str]]:
    for file in sorted(HERE.glob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield f"{file.name}::{node.name}", ast.get_docstring(node) or ""


def _yaml_tests() -> Iterator[tuple[str, str]]:
    for file in sorted((HERE.parent / "rules" / "tests").rglob("*.yaml")):
        tests: Mapping[str, Mapping[str, object]] = (yaml.safe_load(file.read_text(encoding="utf-8")) or {})["tests"]
        for name, body in tests.items():
            yield f"{file.name}: {name}", str(body.get("proves", ""))


def page() -> str:
    """docs/sentences.md as the tests say it."""
    proved = proofs()
    lines = [
        f"| {number} | {'<br>'.join(sorted(proved.get(number, [])))} |"
        for letter, last in LAST.items()
        for number in (f"{letter}{place}" for place in range(1, last + 1))
    ]
    return HEAD + "\n".join(lines) + "\n"


def unproved() -> list[str]:
    """The numbers that no test names."""
    proved = proofs()
    everything = (f"{letter}{place}" for letter, last in LAST.items() for place in range(1, last + 1))
    return [number for number in everything if not proved.get(number)]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    missing = unproved()
    print(f"{sum(LAST.values()) - len(missing)} of {sum(LAST.values())} numbers have a test")
    if missing:
        sys.exit(f"without a test: {', '.join(missing)}")
