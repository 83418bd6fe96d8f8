"""Every sentence of the rule language has a test that proves it, and the page says which."""

from tests.sentences import PAGE, numbers_in, page, unproved


def test_every_sentence_vector_and_situation_has_a_test() -> None:
    assert unproved() == [], "no test names these in its docstring or in `proves:`; write one that proves them"


def test_the_page_says_what_the_tests_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "docs/sentences.md is not up to date; run `make sentences`"


def test_a_docstring_names_numbers_one_by_one_or_as_a_span() -> None:
    assert list(numbers_in("S9, S11-S13 and V27: not V28, S95 or CS3.")) == ["S9", "S11", "S12", "S13", "V27"]
