"""Counting SMS parts, and keeping texts in the cheap alphabet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.messages.masking import mask, short_name
from notifier.messages.segments import GSM, UCS, Segments, foreign_characters, is_plain, plain, segments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", Segments(GSM, 0, 0), id="nothing"),
        pytest.param("a" * 160, Segments(GSM, 160, 1), id="a full single part"),
        pytest.param("a" * 161, Segments(GSM, 161, 2), id="one more"),
        pytest.param("a" * 306, Segments(GSM, 306, 2), id="two full parts"),
        pytest.param("a" * 307, Segments(GSM, 307, 3), id="one more than two"),
        pytest.param("€" * 80, Segments(GSM, 160, 1), id="escaped characters count two"),
        pytest.param("a" * 152 + "€" + "a" * 152, Segments(GSM, 306, 3), id="an escape is never split"),
        pytest.param("é" * 160, Segments(GSM, 160, 1), id="é is in the alphabet"),
        pytest.param("—" + "a" * 69, Segments(UCS, 70, 1), id="one dash makes everything UCS-2"),
        pytest.param("—" + "a" * 70, Segments(UCS, 71, 2), id="and 71 characters two parts"),
        pytest.param("张" * 134, Segments(UCS, 134, 2), id="two full parts of Hanzi"),
        pytest.param("😀" * 35, Segments(UCS, 70, 1), id="an emoji is two units"),
        pytest.param("a" * 66 + "😀" + "a" * 66, Segments(UCS, 134, 3), id="an emoji is never split"),
    ],
)
def test_parts_are_counted_as_the_network_counts_them(text: str, expected: Segments) -> None:
    assert segments(text) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Kantor – “Imigrasi”… 09.00\u00a0WIB", 'Kantor - "Imigrasi"... 09.00 WIB'),
        ("Łukasz Żółć", "Lukasz Zolc"),
        ("José Ødegård", "José Ødegård".replace("ø", "ø")),
        ("Анна Щукина", "Anna Shchukina"),
        ("Nguyễn Văn Đức", "Nguyen Van Duc"),
        ("王伟 WANG WEI", "WANG WEI"),
        ("O’Brien", "O'Brien"),
        ("e\u0301", "é"),
    ],
)
def test_a_text_is_brought_into_the_cheap_alphabet(written: str, expected: str) -> None:
    assert plain(written) == expected


@given(st.text())
def test_plain_text_is_always_gsm_and_stays_what_it_is(text: str) -> None:
    once = plain(text)

    assert is_plain(once)
    assert plain(once) == once


@given(st.text(max_size=700))
def test_parts_have_room_for_all_units(text: str) -> None:
    counted = segments(text)
    single, several = (160, 153) if counted.encoding == GSM else (70, 67)

    assert counted.units <= (single if counted.count <= 1 else several * counted.count)
    assert bool(foreign_characters(text)) == (counted.encoding == UCS)


@pytest.mark.parametrize(
    ("number", "shown"),
    [("X0000123", "xxxx0123"), ("2D21XX0000-Z", "xxxx000Z"), ("123", "xxxx3"), ("1234", "xxxx34"), ("", "xxxx")],
)
def test_a_masked_number_shows_the_last_four_and_of_a_short_one_no_more_than_half(number: str, shown: str) -> None:
    assert mask(number) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("SITI", "SITI"),
        ("SITI NURHALIZA BINTI AHMAD", "SITI N."),
        ("WANG XIAOMING", "WANG X."),
        ("O'NEILL - SHAUN", "O'NEILL S."),
        ("MUHAMMADFIRDAUSABDURRAHMAN WAHID", "MUHAMMADFIRDAU. W."),
        ("", ""),
    ],
)
def test_a_name_is_shortened_to_its_first_word_and_an_initial(name: str, shown: str) -> None:
    assert short_name(name) == shown
