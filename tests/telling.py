"""The shipped rules in sentences, kept: `python -m tests.telling` writes tests/data/telling anew.

A change of words, or of a rule, is then seen in review as a person would read it.
"""

from collections.abc import Iterator
from pathlib import Path

from notifier.cli.rules_show import windows_of
from notifier.rules.load import load_rules
from notifier.rules.telling import tell
from notifier.rules.vocabulary import Language

HERE = Path(__file__).parent
KEPT = HERE / "data" / "telling"
RULES = HERE.parent / "rules"


def told() -> Iterator[tuple[str, str]]:
    """File name and text of each shipped rule in each language, as `rules show` prints it."""
    rules = load_rules(RULES)
    for rule in rules.rules:
        for language in Language:
            yield f"{rule.name}.{language}.txt", tell(rule, language, windows_of(rule, rules)).text() + "\n"


def main() -> None:
    """Write the kept texts, and remove those of rules that ship no more."""
    KEPT.mkdir(exist_ok=True)
    texts = dict(told())
    for file in KEPT.glob("*.txt"):
        if file.name not in texts:
            file.unlink()
    for name, text in texts.items():
        (KEPT / name).write_text(text, encoding="utf-8")
    print(f"{len(texts)} texts in {KEPT.relative_to(HERE.parent)}")


if __name__ == "__main__":
    main()
