"""The phrase grammar: what it takes, what it refuses and where, and that saying a phrase gives it back."""

from collections.abc import Callable
from datetime import date, time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.model import Channel
from notifier.rules import phrases
from notifier.rules.cursor import PhraseError
from notifier.rules.rule import (
    Anchor,
    AtOnce,
    Cap,
    Deadline,
    Digest,
    Every,
    Halfway,
    LastWorkingDayBefore,
    Late,
    LatePolicy,
    Length,
    Moment,
    Moves,
    Offset,
    On,
    Rung,
    Side,
    Unit,
)
from notifier.rules.speak import say_deadline, say_late, say_moment, say_place, say_rung
from notifier.rules.words import EVENTS, HOLDER_TURNS, NOUNS, UNIT_WORDS

EXPIRY = Anchor("expiry")

#: Every phrase of the sixteen rules and the four more, each once.
MOMENTS = """
9 months before expiry
7 months before expiry
3 months before expiry
when window opens
10 days before expiry
7 days before expiry
2 working days before expiry
last working day before expiry
21 days before expiry
7 days before departure deadline
2 days before departure deadline
on departure deadline
60 days before expiry
14 days before expiry
when expiry moves earlier
30 days before expiry
30 days before anniversary
7 days before anniversary
12 months before expiry
8 months before expiry
1 day after expiry
3 days after expiry
7 days after expiry
every working day from 1 day after expiry until 59 days after expiry
45 days after expiry
when holder turns 17
when holder turns 18
when holder turns 20
6 months before holder turns 21
3 months before holder turns 21
1 month before holder turns 21
24 hours before payment deadline
halfway to payment deadline
3 hours before payment deadline
30 minutes before payment deadline
3 days before appointment
1 day before appointment
2 hours before appointment
when appointment moves
at once
halfway to documents deadline
last working day before documents deadline
7 days after issue
14 days after issue
21 days after issue
3 working days before collection deadline
5 working days before collection deadline
1 working day after state begins
7 days after state begins
every 7 days from 90 days before expiry until expiry
3 working days before deadline
every working day from 1 day after service deadline until 60 days after service deadline
""".strip().splitlines()
DEADLINES = """
window closes
departure deadline
59 days after expiry
holder turns 21
payment deadline
appointment
documents deadline
collection deadline at closing time
expiry
3 days before expiry
""".strip().splitlines()
RUNGS = """
whatsapp
sms after 24 hours
whatsapp and email
sms after 6 hours
email after 24 hours
whatsapp and sms and email
email and whatsapp
email
whatsapp after 48 hours
sms and whatsapp
sms after 3 hours
""".strip().splitlines()
WINDOWS = ["14 days before expiry", "3 months before expiry", "last working day before expiry"]


@pytest.mark.parametrize("phrase", MOMENTS)
def test_every_moment_of_the_rules_is_read_and_said_back(phrase: str) -> None:
    assert say_moment(phrases.parse_moment(phrase)) == phrase


@pytest.mark.parametrize("phrase", DEADLINES)
def test_every_deadline_of_the_rules_is_read_and_said_back(phrase: str) -> None:
    assert say_deadline(phrases.parse_deadline(phrase)) == phrase


@pytest.mark.parametrize("phrase", RUNGS)
def test_every_rung_of_the_rules_is_read_and_said_back(phrase: str) -> None:
    assert say_rung(phrases.parse_rung(phrase)) == phrase


@pytest.mark.parametrize("phrase", WINDOWS)
def test_every_window_of_the_rules_is_read_and_said_back(phrase: str) -> None:
    assert say_place(phrases.parse_place(phrase)) == phrase


def test_moments_become_what_they_say() -> None:
    assert phrases.parse_moment("at once") == AtOnce()
    assert phrases.parse_moment("on expiry") == On(EXPIRY)
    assert phrases.parse_moment("when window opens") == On(Anchor("window opens"), event=True)
    assert phrases.parse_moment("2 weeks after issue") == Offset(Length(2, Unit.WEEK), Side.AFTER, Anchor("issue"))
    assert phrases.parse_moment("last working day before expiry") == LastWorkingDayBefore(EXPIRY)
    assert phrases.parse_moment("halfway to expiry") == Halfway(EXPIRY)
    assert phrases.parse_moment("when expiry moves") == Moves(EXPIRY)
    assert phrases.parse_moment("every month from issue until window closes") == Every(
        Length(1, Unit.MONTH), On(Anchor("issue")), On(Anchor("window closes"), event=True)
    )


def test_the_longest_noun_is_taken() -> None:
    assert phrases.parse_moment("on payment deadline") == On(Anchor("payment deadline"))
    assert phrases.parse_moment("on payment") == On(Anchor("payment"))
    assert phrases.parse_moment("on deadline") == On(Anchor("deadline"))


def test_the_plural_s_and_several_spaces_do_not_matter() -> None:
    assert phrases.parse_moment("1 days  before   expiry") == phrases.parse_moment("1 day before expiry")
    assert phrases.parse_moment("7 working day after issue") == phrases.parse_moment("7 working days after issue")


def test_the_small_phrases_are_read() -> None:
    assert phrases.parse_digest("weekly on monday at 08:00") == Digest(time(8), weekday=0)
    assert phrases.parse_digest("daily at 07:45") == Digest(time(7, 45))
    assert phrases.parse_late("newest within 7 days") == Late(LatePolicy.NEWEST, Length(7, Unit.DAY))
    assert phrases.parse_late("send within 15 days") == Late(LatePolicy.SEND, Length(15, Unit.DAY))
    assert phrases.parse_late("skip") == Late(LatePolicy.SKIP)
    assert phrases.parse_anniversary("every 5 years after issue") == (Length(5, Unit.YEAR), Anchor("issue"))
    assert phrases.parse_limit("5000 a day") == 5000
    assert phrases.parse_cap("1 in 90 days") == Cap(1, Length(90, Unit.DAY))
    assert phrases.parse_length("10 days") == Length(10, Unit.DAY)
    assert phrases.parse_day("2027-12-31") == date(2027, 12, 31)
    assert phrases.parse_deadline("expiry at 15:30") == Deadline(On(EXPIRY), at=time(15, 30))


#: phrase, column of the fault, the right words the sentence must name
REFUSED_MOMENTS = [
    ("1 days befor expiry", 8, 'write "before"'),
    ("at expiry", 1, 'write "on expiry"'),
    ("14 days before", 15, '"expiry"'),
    ("last working days before", 1, 'write "last working day before"'),
    ("once", 1, 'write "at once"'),
    ("2 fortnights", 3, 'write "weeks"'),
    ("010 days", 1, 'write "10"'),
    ("-14 days", 1, "without it"),
    ("on window opens", 1, 'write "when window opens"'),
    ("when expiry", 1, 'write "on expiry" or "when expiry moves"'),
    ("every week until expiry", 12, 'write "from"'),
    ("5 daysbefore", 3, 'write "days before"'),
    ("7 days before Expiry", 15, 'write "expiry"'),
    ("7 days before payment deadlin", 23, 'write "deadline"'),
    ("7 days before the expiry", 15, '"expiry"'),
    ("7days before expiry", 1, 'write "7 days"'),
    ("0 days before expiry", 1, "begin at 1"),
    ("5.000 days before expiry", 1, '"5000"'),
    ("when holder turns", 18, "a number"),
    ("when expiry moves sooner", 19, '"earlier"'),
    ("7 days before expiry please", 22, "complete before it"),
    ("7 days\tbefore expiry", 3, '"days"'),
    ("999999 days before expiry", 1, "a hundred years"),
    ("99999999999 days before expiry", 1, "too large"),
    ("", 1, "no phrase"),
]
REFUSED_OTHERS: list[tuple[Callable[[str], object], str, int, str]] = [
    (phrases.parse_rung, "whatsapp, sms", 1, 'write "and"'),
    (phrases.parse_rung, "e-mail", 1, 'write "email"'),
    (phrases.parse_rung, "sms afer 6 hours", 5, 'write "after"'),
    (phrases.parse_digest, "daily at 7:45", 10, 'write "07:45"'),
    (phrases.parse_digest, "weekly at 07:45", 8, '"weekly on monday at"'),
    (phrases.parse_late, "send in 3 days", 6, 'write "within"'),
    (phrases.parse_late, "skip within 3 days", 6, "complete before it"),
    (phrases.parse_limit, "5.000 a day", 1, '"5000"'),
    (phrases.parse_time, "24:00", 1, '"23:59"'),
    (phrases.parse_time, "08.15", 1, '"08:15"'),
    (phrases.parse_time, "25:00", 1, "a time like 08:15"),
    (phrases.parse_day, "2027-02-30", 1, "no day"),
    (phrases.parse_day, "31.12.2027", 1, "a day like 2026-01-31"),
    (phrases.parse_deadline, "expiry at closing tme", 11, 'write "closing time"'),
    (phrases.parse_anniversary, "5 years after issue", 1, '"every"'),
]


@pytest.mark.parametrize(("phrase", "column", "words"), REFUSED_MOMENTS)
def test_a_moment_that_is_none_is_refused_at_its_column_with_the_right_words(
    phrase: str, column: int, words: str
) -> None:
    with pytest.raises(PhraseError) as refused:
        phrases.parse_moment(phrase)
    assert (refused.value.column, words in refused.value.message) == (column, True), refused.value.message


@pytest.mark.parametrize(("parse", "phrase", "column", "words"), REFUSED_OTHERS)
def test_other_phrases_are_refused_at_their_column_with_the_right_words(
    parse: Callable[[str], object], phrase: str, column: int, words: str
) -> None:
    with pytest.raises(PhraseError) as refused:
        parse(phrase)
    assert (refused.value.column, words in refused.value.message) == (column, True), refused.value.message


def lengths(units: st.SearchStrategy[Unit] | None = None) -> st.SearchStrategy[Length]:
    return st.builds(Length, st.integers(1, 100), units or st.sampled_from(Unit))


def _anchors() -> st.SearchStrategy[Anchor]:
    plain = st.sampled_from([word for word in (*NOUNS, *EVENTS) if word != HOLDER_TURNS]).map(Anchor)
    return plain | st.builds(Anchor, st.just(HOLDER_TURNS), st.integers(1, 99))


def _nouns() -> st.SearchStrategy[Anchor]:
    return st.sampled_from(NOUNS).map(Anchor)


def _counted() -> st.SearchStrategy[Offset | LastWorkingDayBefore]:
    offsets = st.builds(Offset, lengths(), st.sampled_from(Side), _anchors())
    return offsets | st.builds(LastWorkingDayBefore, _anchors())


def _places() -> st.SearchStrategy[On | Offset | LastWorkingDayBefore]:
    return _anchors().map(lambda anchor: On(anchor, event=anchor.name in EVENTS)) | _counted()


def moments() -> st.SearchStrategy[Moment]:
    events = _anchors().filter(lambda anchor: anchor.name in EVENTS).map(lambda anchor: On(anchor, event=True))
    return st.one_of(
        st.just(AtOnce()),
        _nouns().map(On),
        events,
        _counted(),
        st.builds(Halfway, _anchors()),
        st.builds(Moves, _anchors(), st.booleans()),
        st.builds(Every, lengths(), _places(), _places()),
    )


@given(moments())
def test_any_moment_said_and_read_again_is_the_same(moment: Moment) -> None:
    assert phrases.parse_moment(say_moment(moment)) == moment


@given(lengths())
def test_any_length_said_and_read_again_is_the_same(length: Length) -> None:
    assert phrases.parse_length(str(length)) == length


@given(st.builds(Late, st.sampled_from([LatePolicy.NEWEST, LatePolicy.SEND, LatePolicy.FOLD]), st.none() | lengths()))
def test_any_late_policy_said_and_read_again_is_the_same(late: Late) -> None:
    assert phrases.parse_late(say_late(late)) == late


@given(st.lists(st.sampled_from(Channel), min_size=1, max_size=3), st.none() | lengths())
def test_any_rung_said_and_read_again_is_the_same(channels: list[Channel], after: Length | None) -> None:
    rung = Rung(tuple(channels), after)
    assert phrases.parse_rung(say_rung(rung)) == rung


_WORDS = sorted({word for phrase in (*MOMENTS, *DEADLINES, *RUNGS) for word in phrase.split()} | set(UNIT_WORDS))


@settings(max_examples=500)
@given(st.lists(st.sampled_from(_WORDS) | st.text(max_size=6), max_size=9).map(" ".join))
def test_any_text_is_read_or_refused_inside_its_columns(phrase: str) -> None:
    for parse in (phrases.parse_moment, phrases.parse_deadline, phrases.parse_rung, phrases.parse_late):
        try:
            parse(phrase)
        except PhraseError as refused:
            assert 1 <= refused.column <= len(phrase) + 1
            assert refused.message
