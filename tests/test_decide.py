"""The law without a database: which step goes to whom, which waits and which is spent, and why (S33-S65)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from notifier.ladder import Way, ways
from notifier.messages.templates import Templates
from notifier.model import (
    Channel,
    Entry,
    NotificationId,
    NotificationState,
    Party,
    PartyId,
    Reason,
    RoleHeld,
    Seen,
    Stay,
    Subject,
)
from notifier.reconcile import ending_of
from notifier.render import Renderer, Senders
from notifier.rules.decide import decide
from notifier.rules.decision import Decision, Ground, Verdict
from notifier.rules.rule import (
    AtOnce,
    Conditions,
    DocumentType,
    Late,
    LatePolicy,
    Line,
    Moves,
    NoneOf,
    OneOf,
    Rule,
    RuleSet,
    Rung,
    Step,
)
from notifier.testing import a_case_subject, a_contact, a_party, a_permit_subject
from tests.moment_makers import RULES, WIT, a_calendar, a_rule, a_step, an_office, anchor, day, length, utc

PROJECT = Path(__file__).parent.parent
CALENDAR = a_calendar()
REGISTERED = datetime(2026, 1, 5, 2, tzinfo=UTC)
DOCUMENTS = {
    "ITK": DocumentType("ITK", {}, extendable=True, successors=("ITAS",)),
    "ITAS": DocumentType("ITAS", {}, extendable=True, successors=("ITAP",)),
    "ITAP": DocumentType("ITAP", {}, extendable=True, needs_expiry=False),
}
SET = replace(RULES, documents=DOCUMENTS)
TODAY = date(2026, 5, 27)


def steps(**moments: str) -> tuple[Step, ...]:
    """Steps by name, in the order of the file."""
    return tuple(replace(a_step(send), name=name) for name, send in moments.items())


LADDER = steps(three_weeks="21 days before expiry", two_weeks="14 days before expiry", one_week="7 days before expiry")


def a_permit(expiry: str = "2026-06-10", **changes: Any) -> Subject:
    """A permit whose T-21 is Wed 20 May 2026, T-14 Tue 26 May (before Idul Adha), T-7 Wed 3 June."""
    facts = {"type": "ITAS", **changes.pop("facts", {})}
    return a_permit_subject(expiry=day(expiry), facts=facts, **changes)


def judged(
    rule: Rule,
    subject: Subject | None = None,
    entries: Sequence[Entry] = (),
    *,
    now: str = "2026-05-27 10:00",
    since: str | None = None,
    **changes: Any,
) -> list[Decision]:
    """All decisions; `since`: when each step came into force."""
    in_force = {(rule.name, step.name): utc(since) for step in rule.steps} if since else {}
    rules: RuleSet = changes.pop("rules", SET)
    ground = Ground(changes.pop("calendar", CALENDAR), rules, in_force)
    return decide(rule, subject or a_permit(), entries, now=utc(now), ground=ground, **changes)


def reasons(decisions: Sequence[Decision]) -> dict[str, Reason]:
    return {one.step.name: one.reason for one in decisions}


def going(decisions: Sequence[Decision]) -> list[str]:
    return [one.step.name for one in decisions if one.verdict is Verdict.GOES]


def told(
    step: str,
    at: str,
    *,
    cycle: str = "expiry=2026-06-10",
    occurrence: int = 0,
    moment: str | None = None,
    party: int = 1,
    **changes: Any,
) -> Entry:
    """A row of the ledger about something that was told."""
    entry = Entry(
        NotificationId(1),
        "rule",
        step,
        occurrence,
        cycle,
        PartyId(party),
        "holder",
        NotificationState.SENT,
        utc(moment or at),
        utc(at),
    )
    return replace(entry, **changes)


# --------------------------------------------------------------------------------------------------- S33-S37


def test_what_is_due_now_goes_and_what_lies_ahead_waits() -> None:
    """S33."""
    decisions = judged(a_rule(*steps(due="14 days before expiry", ahead="7 days before expiry")))

    assert reasons(decisions) == {"due": Reason.GOES, "ahead": Reason.NOT_YET}
    assert decisions[1].leaves_at == utc("2026-06-03 09:00")


def test_of_several_due_steps_only_the_newest_goes() -> None:
    """S35: a permit registered 20 days before its expiry gets one message."""
    decisions = judged(a_rule(*LADDER), now="2026-06-04 10:00")

    assert going(decisions) == ["one_week"]
    assert [(one.reason, one.detail) for one in decisions[:2]] == [(Reason.SPENT, "one_week")] * 2


def test_the_order_of_the_file_does_not_make_a_step_newer() -> None:
    """S35: the moved moment does."""
    assert going(judged(a_rule(*reversed(LADDER)), now="2026-06-04 10:00")) == ["one_week"]


def test_on_a_tie_the_step_written_later_goes() -> None:
    """S35: T-14 and T-15 of 14 June 2026 both fall on Friday 29 May and Saturday 30 May, moved to the 29th."""
    rule = a_rule(*steps(first="15 days before expiry", second="16 days before expiry"))
    permit = a_permit("2026-06-14")

    assert going(judged(rule, permit, now="2026-05-29 10:00")) == ["second"]


def test_a_step_of_an_earlier_hour_on_the_same_day_is_no_older() -> None:
    """S35: day steps are compared as days."""
    morning = replace(
        a_step("14 days before expiry"), name="morning", time=utc("2026-01-01 08:15").astimezone(CALENDAR.zone).time()
    )
    noon = replace(a_step("14 days before expiry"), name="nine")

    assert going(judged(a_rule(noon, morning), now="2026-05-26 10:00")) == ["morning"]


def test_each_recipient_has_a_newest_step_of_their_own() -> None:
    """S35: the sponsor is not told the last step; the last but one is not spent for the sponsor."""
    sponsor = a_party(id=PartyId(2), number="S")
    first, second = steps(both="14 days before expiry", mine="13 days before expiry")
    rule = a_rule(replace(first, to=("holder", "sponsor")), second)
    permit = a_permit(roles=(RoleHeld("holder", a_party()), RoleHeld("sponsor", sponsor)))

    decisions = judged(rule, permit, now="2026-05-28 10:00")
    found = {(one.step.name, one.recipient.role): one.reason for one in decisions if one.recipient}

    assert found == {
        ("both", "holder"): Reason.SPENT,
        ("both", "sponsor"): Reason.GOES,
        ("mine", "holder"): Reason.GOES,
    }


def test_a_day_step_is_spent_when_the_rule_told_the_same_day() -> None:
    """S36: the older step was told this morning; the newer one of the same day adds nothing."""
    rule = a_rule(*steps(first="15 days before expiry", second="16 days before expiry"))
    ledger = [told("first", "2026-05-29 09:00", cycle="expiry=2026-06-14")]

    decisions = judged(rule, a_permit("2026-06-14"), ledger, now="2026-05-29 10:00")

    assert reasons(decisions) == {"first": Reason.TOLD, "second": Reason.TOLD_TODAY}


def test_another_recipient_who_was_told_today_spends_nothing() -> None:
    """S36: the same recipient."""
    rule = a_rule(*steps(first="15 days before expiry", second="16 days before expiry"))
    ledger = [told("first", "2026-05-29 09:00", cycle="expiry=2026-06-14", party=9)]

    assert going(judged(rule, a_permit("2026-06-14"), ledger, now="2026-05-29 10:00")) == ["second"]


def test_a_step_farther_away_than_a_told_one_is_spent() -> None:
    """S37, N16: T-14 told for 10 June; corrected to 19 June, T-21 (29 May) has its turn and is older."""
    permit = a_permit(
        "2026-06-19",
        history={"expiry": (Seen(day("2026-06-10"), REGISTERED), Seen(day("2026-06-19"), utc("2026-05-27")))},
    )
    ledger = [told("two_weeks", "2026-05-26 09:00")]

    decisions = judged(a_rule(*LADDER), permit, ledger, now="2026-05-30 10:00")

    assert reasons(decisions) == {
        "three_weeks": Reason.SPENT,
        "two_weeks": Reason.TOLD,
        "one_week": Reason.NOT_YET,
    }


def test_a_renamed_step_is_new_but_bound_by_what_was_told() -> None:
    """S53, S37: the old name is no step any more, so its recorded moment counts."""
    rule = a_rule(*steps(three_weeks="21 days before expiry", fortnight="14 days before expiry"))
    ledger = [told("two_weeks", "2026-05-27 09:00", moment="2026-05-27 09:00")]

    assert reasons(judged(rule, entries=ledger, now="2026-05-28 10:00")) == {
        "three_weeks": Reason.SPENT,
        "fortnight": Reason.SPENT,
    }


def test_what_was_told_in_another_cycle_spends_nothing() -> None:
    """S37: a renewal begins anew, whatever was told last year."""
    ledger = [told("one_week", "2025-06-03 09:00", cycle="expiry=2025-06-10")]

    assert going(judged(a_rule(*LADDER), entries=ledger)) == ["two_weeks"]


@pytest.mark.parametrize("told_first", [False, True])
def test_a_step_that_is_always_sent_neither_spends_nor_is_spent(told_first: bool) -> None:
    """S35, S37, S40."""
    first, second, third = LADDER
    rule = a_rule(first, replace(second, late=Late(LatePolicy.SEND)), third)
    ledger = [told("two_weeks", "2026-05-27 09:00")] if told_first else []

    decisions = judged(rule, entries=ledger, now="2026-05-28 10:00")

    assert going(decisions) == ["three_weeks"] + ([] if told_first else ["two_weeks"])


# --------------------------------------------------------------------------------------------------- S38-S45


def case_of(state: str = "awaiting payment", began: str = "2026-05-18 10:00", due: datetime | None = None) -> Subject:
    facts = {"payment deadline": due}
    return a_case_subject(state=state, began_at=utc(began), stays=(Stay(1, state, utc(began)),), facts=facts)


def test_an_hour_step_from_before_its_cycle_does_not_exist() -> None:
    """S38: 24 hours before a deadline of two hours; N7."""
    rule = a_rule(
        *steps(one_day="24 hours before payment deadline", half_hour="30 minutes before payment deadline"),
        subject="case",
        stays=("awaiting payment",),
        deadline="payment deadline",
    )
    case = case_of(due=utc("2026-05-18 12:00"))

    assert reasons(judged(rule, case, now="2026-05-18 10:05")) == {
        "one_day": Reason.NO_DATE,
        "half_hour": Reason.NOT_YET,
    }


def test_a_day_step_from_before_its_cycle_is_late_from_birth() -> None:
    """S38."""
    permit = a_permit(history={"expiry": (Seen(day("2026-06-10"), utc("2026-05-28 09:00")),)})

    assert going(judged(a_rule(*LADDER), permit, now="2026-05-28 10:00")) == ["two_weeks"]


@pytest.mark.parametrize(
    ("deadline", "last"),
    [
        ("expiry", "2026-06-11 00:00"),
        ("expiry at 12:30", "2026-06-10 12:30"),
        ("expiry at closing time", "2026-06-10 15:00"),
        ("4 days before expiry at closing time", "2026-06-05 15:00"),  # the 6th is a Saturday
        ("window closes", "2026-06-10 00:00"),
    ],
)
def test_a_message_is_useful_until_the_deadline_of_its_rule(deadline: str, last: str) -> None:
    """S39."""
    (decision,) = judged(a_rule(*steps(week="7 days before expiry"), deadline=deadline))

    assert decision.useful_until is not None
    assert abs(decision.useful_until - utc(last)) <= timedelta(seconds=1)


@pytest.mark.parametrize(
    ("send", "last"),
    [
        ("7 days before expiry", "2026-06-11 00:00"),
        ("last working day before expiry", "2026-06-11 00:00"),
        ("on expiry", "2026-06-11 00:00"),
        ("halfway to expiry", "2026-06-11 00:00"),
        ("every 7 days from 21 days before expiry until 7 days before expiry", "2026-06-04 00:00"),
        ("3 days after issue", "2025-01-15 09:00"),
        ("when window opens", "2026-05-18 09:00"),
    ],
)
def test_without_a_deadline_it_is_useful_until_what_it_counts_towards(send: str, last: str) -> None:
    """S39: after, when: seven days. The window of 11 May opens on Monday the 11th."""
    decision = judged(a_rule(*steps(step=send)))[0]

    assert decision.useful_until is not None
    assert abs(decision.useful_until - utc(last)) <= timedelta(seconds=1)


def test_after_the_deadline_nothing_goes() -> None:
    """S39."""
    rule = a_rule(*LADDER, deadline="window closes")

    assert set(reasons(judged(rule, now="2026-06-10 09:00")).values()) == {Reason.SPENT, Reason.AFTER_DEADLINE}
    assert going(judged(rule, now="2026-06-09 19:00")) == ["one_week"]


def test_a_moment_after_the_deadline_is_never_sent() -> None:
    """S39."""
    rule = a_rule(*steps(last="on expiry"), deadline="window closes")

    assert reasons(judged(rule)) == {"last": Reason.AFTER_DEADLINE}


@pytest.mark.parametrize(
    ("within", "now", "expected"),
    [
        ("2 days", "2026-05-28 10:00", []),
        ("2 days", "2026-05-28 08:59", ["two_weeks"]),
        ("3 hours", "2026-05-26 11:59", ["two_weeks"]),
        ("3 hours", "2026-05-26 12:01", []),
    ],
)
def test_within_shortens_how_long_a_step_may_be_late(within: str, now: str, expected: list[str]) -> None:
    """S39: T-14 is Tuesday 26 May, 09:00."""
    late = Late(LatePolicy.NEWEST, length(within))

    assert going(judged(a_rule(replace(LADDER[1], late=late)), now=now)) == expected


@pytest.mark.parametrize(("now", "reason"), [("2026-05-26 19:30", Reason.GOES), ("2026-05-27 08:00", Reason.TOO_LATE)])
def test_skip_of_a_day_step_is_over_with_its_day(now: str, reason: Reason) -> None:
    """S40."""
    rule = a_rule(replace(LADDER[1], late=Late(LatePolicy.SKIP)))

    assert reasons(judged(rule, now=now)) == {"two_weeks": reason}


@pytest.mark.parametrize(("now", "reason"), [("2026-05-18 11:15", Reason.GOES), ("2026-05-18 11:16", Reason.TOO_LATE)])
def test_skip_of_an_instant_is_over_after_a_quarter_of_an_hour(now: str, reason: Reason) -> None:
    """S40."""
    step = replace(a_step("1 hour before payment deadline"), late=Late(LatePolicy.SKIP))
    rule = a_rule(step, subject="case", stays=("awaiting payment",))
    case = case_of(due=utc("2026-05-18 12:00"))

    assert reasons(judged(rule, case, now=now)) == {"step": reason}


def test_a_ladder_that_climbs_is_not_skipped() -> None:
    """S40: `late: skip` speaks of what has not left."""
    rule = a_rule(replace(LADDER[1], late=Late(LatePolicy.SKIP)))

    assert going(judged(rule, now="2026-05-27 09:00", underway=True)) == ["two_weeks"]


def test_when_the_newest_is_too_late_the_older_ones_are_spent_all_the_same() -> None:
    """S41."""
    newest = replace(LADDER[2], late=Late(LatePolicy.NEWEST, length("1 day")))

    decisions = judged(a_rule(LADDER[1], newest), now="2026-06-05 10:00")

    assert reasons(decisions) == {"two_weeks": Reason.SPENT, "one_week": Reason.TOO_LATE}


@pytest.mark.parametrize(
    ("now", "leaves", "reason"),
    [
        ("2026-05-30 10:00", "2026-05-30 10:00", Reason.GOES),  # a Saturday
        ("2026-05-27 10:00", "2026-05-27 10:00", Reason.GOES),  # Idul Adha
        ("2026-05-27 21:00", "2026-05-28 07:00", Reason.SENDING_HOURS),
    ],
)
def test_what_is_late_leaves_in_the_next_sending_hours_closed_day_or_not(now: str, leaves: str, reason: Reason) -> None:
    """S42."""
    (decision,) = judged(a_rule(LADDER[1]), now=now)

    assert (decision.reason, decision.leaves_at) == (reason, utc(leaves))


def test_what_is_late_waits_over_the_silent_days() -> None:
    """S42, S28, N1: Idul Fitri is 21 and 22 March 2026; Monday the 23rd is closed, and no matter."""
    (decision,) = judged(a_rule(LADDER[1]), a_permit("2026-04-01"), now="2026-03-21 10:00")

    assert (decision.verdict, decision.reason) == (Verdict.LATER, Reason.SILENT_DAY)
    assert decision.leaves_at is not None
    assert CALENDAR.day_of(decision.leaves_at) == date(2026, 3, 23)


@pytest.mark.parametrize(
    ("now", "first", "second"),
    [
        ("2026-05-19 00:30", Reason.SENDING_HOURS, Reason.NOT_YET),
        ("2026-05-19 05:00", Reason.SPENT, Reason.SENDING_HOURS),
        ("2026-05-19 07:00", Reason.SPENT, Reason.GOES),
    ],
)
def test_of_several_that_wait_for_the_morning_one_leaves(now: str, first: Reason, second: Reason) -> None:
    """S32: the first waits for 07:00 until the second, which waits for it too, replaces it."""
    rule = a_rule(
        *steps(first="8 hours before payment deadline", second="4 hours before payment deadline"),
        subject="case",
        stays=("awaiting payment",),
        deadline="payment deadline",
    )
    case = case_of(due=utc("2026-05-19 08:00"))

    decisions = judged(rule, case, now=now)

    assert reasons(decisions) == {"first": first, "second": second}
    assert decisions[1].leaves_at == utc("2026-05-19 07:00")


def test_a_condition_that_becomes_true_late_makes_the_step_late() -> None:
    """S43: refused on 28 May, told then."""
    unless: Conditions = (Line("status", OneOf(("renewal protected",))),)
    rule = a_rule(LADDER[1], unless=unless)
    protected, refused = (a_permit(facts={"status": status}) for status in ("renewal protected", "active"))

    assert reasons(judged(rule, protected, now="2026-05-28 10:00")) == {"two_weeks": Reason.POINTLESS}
    assert going(judged(rule, refused, now="2026-05-28 10:00")) == ["two_weeks"]


@pytest.mark.parametrize(
    "state", sorted(set(NotificationState) - {NotificationState.SENT, NotificationState.DELIVERED})
)
def test_only_what_was_told_blocks(state: NotificationState) -> None:
    """S52, S43."""
    untold = told("two_weeks", "2026-05-26 09:00", state=state, told_at=None)

    assert going(judged(a_rule(LADDER[1]), entries=[untold])) == ["two_weeks"]


def test_switching_a_rule_on_floods_nobody() -> None:
    """S44: moments before it was in force do not exist."""
    found = reasons(judged(a_rule(*LADDER), now="2026-05-25 10:00", since="2026-05-25 08:00"))

    assert found == {
        "three_weeks": Reason.NOT_IN_FORCE,
        "two_weeks": Reason.NOT_YET,
        "one_week": Reason.NOT_YET,
    }


def test_a_step_added_to_a_rule_has_its_own_beginning() -> None:
    """S44."""
    rule = a_rule(*LADDER[:2])
    in_force = {("rule", "three_weeks"): utc("2026-01-01"), ("rule", "two_weeks"): utc("2026-05-27")}
    decisions = decide(rule, a_permit(), [], now=utc("2026-05-27 10:00"), ground=Ground(CALENDAR, SET, in_force))

    assert reasons(decisions) == {"two_weeks": Reason.NOT_IN_FORCE, "three_weeks": Reason.GOES}


@pytest.mark.parametrize(
    ("starts", "ends", "reason"),
    [
        ("2026-05-26", None, Reason.GOES),
        ("2026-05-27", None, Reason.NOT_IN_FORCE),
        (None, "2026-05-26", Reason.GOES),
        (None, "2026-05-25", Reason.NOT_IN_FORCE),
    ],
)
def test_from_and_until_bound_the_day_of_the_moment(starts: str | None, ends: str | None, reason: Reason) -> None:
    """S44: T-14 is 26 May, asked on the 27th."""
    bounds: dict[str, Any] = {"starts": day(starts) if starts else None, "ends": day(ends) if ends else None}

    assert reasons(judged(a_rule(LADDER[1], **bounds))) == {"two_weeks": reason}


# --------------------------------------------------------------------------------------------------- S46-S56


def test_each_occurrence_of_every_is_told_by_itself() -> None:
    """S46, S18, V13."""
    rule = a_rule(*steps(weekly="every 7 days from 90 days before expiry until expiry"), deadline="expiry")
    permit = a_permit("2026-06-30")
    ledger = [
        told("weekly", f"{at} 09:00", occurrence=number, cycle="expiry=2026-06-30")
        for number, at in enumerate(("2026-04-01", "2026-04-08", "2026-04-15"), 1)
    ]

    decisions = judged(rule, permit, ledger, now="2026-04-22 10:00")

    assert [(one.occurrence, one.reason) for one in decisions[:5]] == [
        (1, Reason.TOLD),
        (2, Reason.TOLD),
        (3, Reason.TOLD),
        (4, Reason.GOES),
        (5, Reason.NOT_YET),
    ]
    assert len(decisions) == 13


def test_of_occurrences_slept_through_only_the_newest_goes() -> None:
    """S35, S18."""
    rule = a_rule(*steps(weekly="every 7 days from 90 days before expiry until expiry"), deadline="expiry")

    decisions = judged(rule, a_permit("2026-06-30"), now="2026-04-22 10:00")

    assert [one.occurrence for one in decisions if one.verdict is Verdict.GOES] == [4]
    assert [one.detail for one in decisions[:4]] == ["weekly#4", "weekly#4", "weekly#4", ""]


def test_of_a_series_the_number_of_what_was_told_is_named() -> None:
    """S35, S36, S93: of a step that comes once, its name alone stands there."""
    every = "every 7 days from 90 days before expiry until expiry"
    rule = a_rule(*steps(weekly=every, month="30 days before expiry"), deadline="expiry")
    permit, cycle = a_permit("2026-06-30"), "expiry=2026-06-30"
    ledger = [told("weekly", "2026-05-29 08:00", occurrence=9, cycle=cycle)]

    said = {
        (one.step.name, one.occurrence): (one.reason, one.detail)
        for one in judged(rule, permit, ledger, now="2026-05-29 12:00")
    }
    assert said["weekly", 7] == (Reason.SPENT, "month")
    assert said["month", 0] == (Reason.TOLD_TODAY, "weekly#9")


def test_a_correction_repeats_nothing_and_moves_what_is_pending() -> None:
    """S48, S50."""
    permit = a_permit(
        "2026-06-12",
        history={"expiry": (Seen(day("2026-06-10"), REGISTERED), Seen(day("2026-06-12"), utc("2026-05-27")))},
    )

    decisions = judged(a_rule(*LADDER), permit, [told("two_weeks", "2026-05-26 09:00")])

    assert {one.cycle for one in decisions} == {"expiry=2026-06-10"}
    assert reasons(decisions)["two_weeks"] is Reason.TOLD
    assert decisions[2].moment == utc("2026-06-05 09:00")


def test_back_at_the_old_date_the_old_story_goes_on() -> None:
    """S49, N15: 10 -> 25 -> 10 June."""
    values = [("2026-06-10", "2026-01-05"), ("2026-06-25", "2026-05-26"), ("2026-06-10", "2026-05-27")]
    permit = a_permit(history={"expiry": tuple(Seen(day(value), utc(at)) for value, at in values)})

    assert reasons(judged(a_rule(*LADDER), permit, [told("two_weeks", "2026-05-26 09:00")]))["two_weeks"] is Reason.TOLD


MOVED = (Seen(day("2026-06-10"), REGISTERED), Seen(day("2026-06-02"), utc("2026-05-27 08:00")))


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([], Reason.NO_PAST_NEWS),
        ([told("two_weeks", "2026-05-26 09:00")], Reason.GOES),
        ([told("two_weeks", "2026-05-26 09:00", party=9)], Reason.NO_PAST_NEWS),
        ([told("two_weeks", "2026-05-27 09:00")], Reason.NO_PAST_NEWS),  # told after it had moved: the new date
    ],
)
def test_only_who_was_told_the_old_date_hears_that_it_moved(entries: list[Entry], reason: Reason) -> None:
    """S19, S50, N16: corrected from 10 to 2 June; the person believes 10 June."""
    sooner = replace(a_step("on expiry"), name="sooner", send=Moves(anchor("expiry"), earlier=True))
    permit = a_permit("2026-06-02", history={"expiry": MOVED})

    assert reasons(judged(a_rule(*LADDER, sooner), permit, entries))["sooner"] is reason


def test_a_date_that_moved_later_is_no_news_for_earlier() -> None:
    """S19."""
    sooner = replace(a_step("on expiry"), name="sooner", send=Moves(anchor("expiry"), earlier=True))
    history = (Seen(day("2026-06-10"), REGISTERED), Seen(day("2026-06-12"), utc("2026-05-27 08:00")))
    permit = a_permit("2026-06-12", history={"expiry": history})

    assert reasons(judged(a_rule(*LADDER, sooner), permit, [told("two_weeks", "2026-05-26 09:00")]))["sooner"] is (
        Reason.NO_DATE
    )


def test_a_payment_deadline_that_moved_begins_anew() -> None:
    """S51, N7."""
    rule = a_rule(*steps(three_hours="3 hours before payment deadline"), subject="case", stays=("awaiting payment",))
    old, new = utc("2026-05-18 14:00"), utc("2026-05-19 14:00")
    ledger = [told("three_hours", "2026-05-18 11:00", cycle=f"stay=1;payment deadline={old.isoformat()}")]

    assert reasons(judged(rule, case_of(due=old), ledger, now="2026-05-18 11:30")) == {"three_hours": Reason.TOLD}
    assert going(judged(rule, case_of(due=new), ledger, now="2026-05-19 11:00")) == ["three_hours"]


def ready(*spans: tuple[int, str, str | None]) -> Subject:
    held = tuple(
        Stay(number, "ready for collection", utc(begins), utc(ends) if ends else None) for number, begins, ends in spans
    )
    return a_case_subject(state="ready for collection", stays=held, facts={"issue": day("2026-05-18")})


def test_a_return_after_days_announces_again_and_a_wrong_click_does_not() -> None:
    """S54, N6: READY -> IN PROCESS -> READY on day ten; the week's step is before the new stay, and spent."""
    announce = replace(a_step("on issue"), name="ready", send=AtOnce())
    week = replace(a_step("7 days after issue"), name="one-week")
    rule = a_rule(announce, week, subject="case", stays=("ready for collection",), correction=length("1 hour"))
    ledger = [told("ready", "2026-05-18 10:00", cycle="stay=1")]

    misprint = ready((1, "2026-05-18 09:00", "2026-05-20 09:00"), (2, "2026-05-28 09:00", None))
    click = ready((1, "2026-05-18 09:00", "2026-05-18 10:30"), (2, "2026-05-18 10:32", None))

    assert reasons(judged(rule, misprint, ledger, now="2026-05-28 10:00")) == {
        "ready": Reason.GOES,
        "one-week": Reason.SPENT,
    }
    assert reasons(judged(rule, click, ledger, now="2026-05-18 11:00"))["ready"] is Reason.TOLD


@pytest.mark.parametrize(
    ("own", "other", "renewed"),
    [
        ("ITAS", {"type": "ITAS", "issue": day("2026-05-01"), "expiry": day("2027-06-10")}, True),
        ("ITK", {"type": "ITAS", "issue": day("2026-05-01"), "expiry": day("2027-06-10")}, True),  # alih status
        ("ITAS", {"type": "ITK", "issue": day("2026-05-01"), "expiry": day("2027-06-10")}, False),
        ("ITAS", {"type": "ITAS", "issue": day("2024-05-01"), "expiry": day("2027-06-10")}, False),
        ("ITAS", {"type": "ITAS", "issue": day("2026-05-01"), "expiry": day("2026-06-09")}, False),
        ("ITAS", {"type": "ITAS", "issue": day("2026-05-01"), "expiry": day("2026-06-10")}, False),
        ("ITAS", {"type": "ITAS", "issue": day("2026-05-01"), "expiry": None}, False),
        (
            "ITAS",
            {"type": "ITAS", "issue": day("2026-05-01"), "expiry": day("2027-06-10"), "status": "cancelled"},
            False,
        ),
    ],
)
def test_a_permit_is_renewed_by_another_that_is_later_in_both_dates(
    own: str, other: dict[str, Any], renewed: bool
) -> None:
    """S56, N5: the old one stays `active` in the register and is silent all the same."""
    rule = a_rule(LADDER[1], unless=(Line("status", OneOf(("renewed",))),))

    decisions = judged(rule, a_permit(facts={"type": own}, others=(other,)))

    assert reasons(decisions) == {"two_weeks": Reason.POINTLESS if renewed else Reason.GOES}


# --------------------------------------------------------------------------------------------------- S57-S65

HOLDER, SPONSOR, AGENT, MOTHER = (
    a_party(id=PartyId(number), number=name, name=name) for number, name in enumerate(("H", "S", "A", "M"), 1)
)
CHILD = replace(HOLDER, birth_date=date(2009, 6, 1))


def to(
    *words: str, roles: Sequence[RoleHeld], entries: Sequence[Entry] = (), now: str = "2026-05-27 10:00"
) -> list[tuple[str, str, Reason]]:
    """(who, as what, why) for one due step."""
    rule = a_rule(replace(LADDER[1], to=words))
    decisions = judged(rule, a_permit(roles=tuple(roles)), entries, now=now)
    return [
        (one.recipient.party.number, one.recipient.role, one.reason) if one.recipient else ("-", "-", one.reason)
        for one in decisions
    ]


@pytest.mark.parametrize(
    ("first", "last", "reason"),
    [
        (None, None, Reason.GOES),
        (TODAY, TODAY, Reason.GOES),
        (None, TODAY - timedelta(days=1), Reason.AUTHORITY_ENDED),
        (TODAY + timedelta(days=1), None, Reason.AUTHORITY_ENDED),
    ],
)
def test_a_role_counts_on_the_days_of_its_validity(first: date | None, last: date | None, reason: Reason) -> None:
    """S57, S62, N14: an agent whose authority is over is passed over."""
    roles = [RoleHeld("holder", HOLDER), RoleHeld("agent", AGENT, first, last)]

    assert set(to("holder", "agent", roles=roles)) == {("H", "holder", Reason.GOES), ("A", "agent", reason)}


def test_a_party_in_two_roles_is_told_once_as_the_first_of_them() -> None:
    """S58."""
    roles = [RoleHeld("holder", HOLDER), RoleHeld("sponsor", SPONSOR), RoleHeld("agent", SPONSOR)]

    assert to("agent", "sponsor", roles=roles) == [("S", "agent", Reason.GOES)]


@pytest.mark.parametrize(
    ("words", "holder", "expected"),
    [
        (("holder",), CHILD, [("M", "guardian", Reason.GOES)]),
        (("guardian",), CHILD, [("M", "guardian", Reason.GOES)]),
        (("holder",), HOLDER, [("H", "holder", Reason.GOES)]),
        (("guardian",), HOLDER, [("-", "-", Reason.NOBODY)]),
    ],
)
def test_for_a_minor_the_guardians_stand_in_the_holders_place(
    words: tuple[str, ...], holder: Party, expected: list[tuple[str, str, Reason]]
) -> None:
    """S59."""
    assert to(*words, roles=[RoleHeld("holder", holder), RoleHeld("guardian", MOTHER)]) == expected


def test_told_to_a_guardian_in_the_holders_place_is_told_to_the_holder() -> None:
    """S60, N10: the child is of age on 1 June."""
    born = replace(HOLDER, birth_date=date(2008, 5, 27))
    roles = [RoleHeld("holder", born), RoleHeld("guardian", MOTHER)]
    entry = told("two_weeks", "2026-05-26 09:00", party=4, role="guardian", in_place_of=HOLDER.id)

    assert to("holder", roles=roles, entries=[entry]) == [("H", "holder", Reason.TOLD)]
    assert to("holder", roles=roles, entries=[replace(entry, in_place_of=None)]) == [("H", "holder", Reason.GOES)]


def test_a_party_new_in_a_role_is_late_for_the_past_steps_and_gets_one_message() -> None:
    """S61, N11, S35."""
    rule = a_rule(*(replace(step, to=("sponsor",)) for step in LADDER))
    ledger = [told("two_weeks", "2026-05-26 09:00", party=9, role="sponsor")]
    permit = a_permit(roles=(RoleHeld("holder", HOLDER), RoleHeld("sponsor", SPONSOR)))

    decisions = judged(rule, permit, ledger)

    assert going(decisions) == ["two_weeks"]
    assert {one.recipient.party.number for one in decisions if one.recipient} == {"S"}


@pytest.mark.parametrize(
    ("word", "extra", "expected"),
    [
        ("payer", [], ("H", "holder")),
        ("payer", [RoleHeld("payer", AGENT)], ("A", "payer")),
        ("officer", [RoleHeld("front desk", AGENT)], ("A", "front desk")),
        ("officer", [RoleHeld("officer", SPONSOR), RoleHeld("front desk", AGENT)], ("S", "officer")),
    ],
)
def test_a_payer_and_an_officer_have_somebody_who_stands_in(
    word: str, extra: list[RoleHeld], expected: tuple[str, str]
) -> None:
    """S63."""
    assert to(word, roles=[RoleHeld("holder", HOLDER), *extra]) == [(*expected, Reason.GOES)]


def test_a_payer_whose_authority_is_over_is_passed_over_and_the_holder_told() -> None:
    """S63, S57."""
    roles = [RoleHeld("holder", HOLDER), RoleHeld("payer", AGENT, None, TODAY - timedelta(days=1))]

    assert set(to("payer", roles=roles)) == {("A", "payer", Reason.AUTHORITY_ENDED), ("H", "holder", Reason.GOES)}


def test_a_role_nobody_holds_is_passed_over_silently() -> None:
    """S64."""
    assert to("holder", "sponsor", roles=[RoleHeld("holder", HOLDER)]) == [("H", "holder", Reason.GOES)]
    assert to("sponsor", roles=[RoleHeld("holder", HOLDER)]) == [("-", "-", Reason.NOBODY)]


def test_death_stops_every_message_but_those_to_officers_and_desks() -> None:
    """S65, N12."""
    dead = replace(HOLDER, deceased_on=date(2026, 5, 1))
    roles = [RoleHeld("holder", dead), RoleHeld("sponsor", SPONSOR), RoleHeld("enforcement desk", AGENT)]

    assert set(to("holder", "sponsor", "enforcement desk", roles=roles)) == {
        ("H", "holder", Reason.HOLDER_DECEASED),
        ("S", "sponsor", Reason.HOLDER_DECEASED),
        ("A", "enforcement desk", Reason.GOES),
    }


# -------------------------------------------------------------------------------------- S3, S5: office and days


def test_a_permit_that_moved_keeps_what_was_told_and_waits_on_its_new_offices_clock() -> None:
    """S3: Jakarta told T-14; T-7 is now Ambon's, two hours earlier in the world, and at 09:00 all the same."""
    permit = a_permit(office=an_office("ambon", "Asia/Jayapura"))
    ledger = [told("two_weeks", "2026-05-26 09:00")]

    decisions = judged(a_rule(*LADDER[1:]), permit, ledger, calendar=a_calendar("ambon", "Asia/Jayapura"))

    assert reasons(decisions) == {"two_weeks": Reason.TOLD, "one_week": Reason.NOT_YET}
    assert decisions[1].leaves_at == utc("2026-06-03 09:00", WIT)
    assert decisions[1].leaves_at == utc("2026-06-03 07:00")


TEXTS = Templates.load(PROJECT / "templates")


@pytest.mark.parametrize(
    ("zone", "now", "left"),
    [
        ("Asia/Jakarta", "2026-06-03 09:00", 7),
        ("Asia/Jakarta", "2026-06-09 23:30", 1),
        ("Asia/Jayapura", "2026-06-09 23:30", 0),  # half past one on the 10th
        ("Asia/Jakarta", "2026-06-10 23:59", 0),
        ("Asia/Jakarta", "2026-06-11 00:00", -1),
    ],
)
def test_the_days_left_are_counted_on_the_offices_clock(zone: str, now: str, left: int) -> None:
    """S5."""
    rule, calendar = a_rule(LADDER[2]), a_calendar(zone=zone)
    permit = a_permit(office=an_office(zone=zone))
    decision = judged(rule, permit, calendar=calendar)[0]
    writer = Renderer(TEXTS, SET, Senders("I", "+62215550199", "i@office.example"), "", "", "", lambda *_: "")

    facts = writer.facts(rule, decision, permit, "en", calendar=calendar, now=utc(now), optout_url="")

    assert facts.days_left == left


# --------------------------------------------------------------------------------------------- S73-S75: a ladder

PHONE = "+6281200000010"
ADDRESSES = (a_contact(Channel.WHATSAPP, PHONE), a_contact(Channel.SMS, PHONE, usable=False))


@pytest.mark.parametrize(
    ("suppressed", "whatsapp"),
    [
        (frozenset(), Way(Channel.WHATSAPP, PHONE)),
        (frozenset({(Channel.WHATSAPP, PHONE)}), Way(Channel.WHATSAPP, None, Reason.OPTED_OUT)),
        (frozenset({(Channel.SMS, PHONE)}), Way(Channel.WHATSAPP, PHONE)),
    ],
)
def test_a_channel_without_a_usable_address_is_passed_over_with_its_reason(
    suppressed: frozenset[tuple[Channel, str]], whatsapp: Way
) -> None:
    """S75."""
    rung = Rung((Channel.WHATSAPP, Channel.SMS, Channel.EMAIL))

    assert ways(rung, a_party(contacts=ADDRESSES), suppressed) == [
        whatsapp,
        Way(Channel.SMS, None, Reason.BAD_ADDRESS),
        Way(Channel.EMAIL, None, Reason.NO_ADDRESS),
    ]


#: The first rung left on the 26th. The guard judges a ladder under way as if it were untold, else none could climb.
CLIMBING = told("two_weeks", "2026-05-26 09:00", told_at=None)


@pytest.mark.parametrize(("facts", "reason"), [({}, Reason.GOES), ({"status": "renewal protected"}, Reason.POINTLESS)])
def test_before_every_rung_the_law_is_asked_again(facts: dict[str, Any], reason: Reason) -> None:
    """S73: paid after the first rung, the second does not follow."""
    rule = a_rule(LADDER[1], unless=(Line("status", OneOf(("renewal protected",))),))

    assert reasons(judged(rule, a_permit(facts=facts), [CLIMBING], underway=True)) == {"two_weeks": reason}


@pytest.mark.parametrize("newer", [[], [told("one_week", "2026-06-03 09:00")]])
def test_a_newer_step_that_leaves_ends_the_older_ladder(newer: list[Entry]) -> None:
    """S74: whether it is due or was told a moment ago."""
    decisions = judged(a_rule(*LADDER[1:]), entries=[CLIMBING, *newer], now="2026-06-03 10:00", underway=True)

    assert ending_of(CLIMBING, decisions[0], decisions) == (NotificationState.SPENT, Reason.SPENT, "one_week")


# -------------------------------------------------------------------------------------- N3, S86, S93 and the rest


def test_a_permit_without_its_date_has_no_moment() -> None:
    """N3, S20."""
    permit = a_permit(facts={"expiry": None}, history={})

    assert reasons(judged(a_rule(*LADDER), permit)) == dict.fromkeys(
        ("three_weeks", "two_weeks", "one_week"), Reason.NO_DATE
    )


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([], Reason.NOT_CONCERNED),
        ([told("invitation", "2026-05-19 09:00", cycle="stay=1")], Reason.GOES),
        ([told("invitation", "2026-05-19 09:00", cycle="stay=0")], Reason.NOT_CONCERNED),
        ([told("invitation", "2026-05-19 09:00", cycle="stay=1", party=9)], Reason.NOT_CONCERNED),
        ([told("invitation", "2026-05-19 09:00", cycle="stay=1", told_at=None)], Reason.NOT_CONCERNED),
    ],
)
def test_only_after_wants_the_first_told_in_this_cycle_to_this_recipient(entries: list[Entry], reason: Reason) -> None:
    """S86."""
    invitation = replace(a_step("1 working day after state begins"), name="invitation", enabled=False)
    reminder = replace(a_step("7 days after state begins"), name="reminder", only_after="invitation")
    rule = a_rule(invitation, reminder, subject="case", stays=("collected",))

    assert reasons(judged(rule, case_of("collected"), entries, now="2026-05-25 10:00"))["reminder"] is reason


def test_the_first_reason_of_all_is_given() -> None:
    """S93: switched off, before other office, before not concerned, before pointless."""
    never: Conditions = (Line("type", OneOf(("ITAP",))),)
    always: Conditions = (Line("type", NoneOf(("ITAP",))),)
    rule = a_rule(LADDER[1], enabled=False, offices=("ambon",), when=never, unless=always)
    found = []
    for change in ({"enabled": True}, {"offices": ()}, {"when": ()}, {"unless": ()}):
        found.append(reasons(judged(rule))["two_weeks"])
        rule = replace(rule, **change)

    assert found == [Reason.SWITCHED_OFF, Reason.OTHER_OFFICE, Reason.NOT_CONCERNED, Reason.POINTLESS]
    assert going(judged(rule)) == ["two_weeks"]


def test_the_steps_own_conditions_are_asked_besides_the_rules() -> None:
    only, but = (Line("extensions left", OneOf(("9",))),), (Line("type", OneOf(("ITAS",))),)
    rule = a_rule(replace(LADDER[1], when=only), replace(LADDER[2], unless=but), replace(LADDER[0], enabled=False))

    assert reasons(judged(rule)) == {
        "two_weeks": Reason.NOT_CONCERNED,
        "one_week": Reason.POINTLESS,
        "three_weeks": Reason.SWITCHED_OFF,
    }


def test_the_same_input_gives_the_same_answer() -> None:
    """S94."""
    rule, permit = a_rule(*LADDER), a_permit()
    ledger = [told("three_weeks", "2026-05-20 09:00")]

    assert judged(rule, permit, ledger) == judged(rule, permit, ledger)


def test_at_once_goes_once_in_its_cycle() -> None:
    """S17."""
    rule = a_rule(replace(a_step("on issue"), name="asked", send=AtOnce()), subject="case", stays=("scheduled",))
    case = case_of("scheduled", "2026-05-27 09:00")

    assert going(judged(rule, case)) == ["asked"]
    assert reasons(judged(rule, case, [told("asked", "2026-05-27 09:05", cycle="stay=1")])) == {"asked": Reason.TOLD}
