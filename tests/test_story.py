"""The main job over the whole engine, on both databases: planned, corrected, renewed, paid, late, in three zones."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import Engine

from notifier.model import Accepted, Channel, DeliveryState, EmailMessage, Reason
from notifier.officer import read_story, resend
from notifier.store.engine import writing
from tests.world import World, wib


@pytest.fixture
def world(engine: Engine) -> World:
    world = World(engine)
    world.person("P1", "ANNA SCHMIDT", nationality="DE", birth_date=date(1990, 5, 17))
    return world


def itas(world: World, expiry: date, number: str = "2D21XX0000-Z", **values: object) -> None:
    facts: dict[str, object] = {"type": "ITAS", "issue": date(2025, 6, 10), "expiry": expiry, **values}
    world.permit(number, "P1", **facts)  # type: ignore[arg-type]


def test_planning_the_same_moment_twice_adds_nothing(world: World) -> None:
    world.plan()
    itas(world, date(2026, 6, 10))
    world.at("2026-05-27")

    assert world.plan().planned == 1
    assert world.plan().planned == 0


def test_a_corrected_expiry_repeats_nothing_that_was_sent(world: World) -> None:
    """S48, S50."""
    world.plan()
    itas(world, date(2026, 6, 10))
    world.days("2026-05-10", "2026-05-26")
    assert [step for step, _ in world.told()] == ["opens", "three-weeks", "two-weeks"]

    itas(world, date(2026, 6, 13))  # a clerk corrects it by three days
    world.days("2026-05-27", "2026-06-15")

    assert [step for step, _ in world.told()] == ["opens", "three-weeks", "two-weeks", "one-week", "last-day"]
    assert len({row.cycle for row in world.notifications()}) == 1


def test_a_pending_step_moves_with_the_corrected_date(world: World) -> None:
    """S48."""
    world.plan()
    itas(world, date(2026, 6, 10))
    world.days("2026-05-10", "2026-05-26")
    world.at("2026-06-03 06:00").plan()

    itas(world, date(2026, 6, 12))
    report = world.plan()

    assert (report.planned, report.moved) == (0, 1)


def test_a_renewal_begins_a_new_cycle(world: World) -> None:
    """S48, S47."""
    world.plan()
    itas(world, date(2026, 6, 10))
    world.days("2026-05-10", "2026-06-09")
    told = len(world.told())

    itas(world, date(2027, 6, 10), issue=date(2026, 6, 8))
    world.days("2027-05-10", "2027-05-12")

    assert world.told()[told:] == [("opens", "2027-05-11")]
    assert len({row.cycle for row in world.notifications()}) == 2


def test_going_back_to_an_old_date_resumes_the_old_cycle(world: World) -> None:
    """N15, V25: 10 Jun -> 25 Jun -> 10 Jun with a tolerance of ten days."""
    world.plan()
    itas(world, date(2026, 6, 10))
    world.days("2026-05-10", "2026-05-21")
    itas(world, date(2026, 6, 25))
    world.at("2026-05-26").run()
    itas(world, date(2026, 6, 10))
    world.days("2026-05-27", "2026-06-03")

    assert [step for step, _ in world.told()] == ["opens", "three-weeks", "opens", "sooner", "one-week"]


def test_after_five_days_asleep_only_the_newest_due_step_goes_and_counts_true_days(world: World) -> None:
    """S35, S5: days are counted when it is sent."""
    world.plan()
    itas(world, date(2026, 6, 10))
    world.at("2026-05-19").run()
    world.forget_sent()

    world.at("2026-06-05 10:00").run()  # three-weeks, two-weeks and one-week have passed unseen

    assert world.told()[-1] == ("one-week", "2026-06-05")
    texts = [message.text for message in world.sent]
    assert len(world.told()) == 2
    assert all("5 days" in text for text in texts)


def test_a_permit_registered_late_gets_one_message_and_not_four(world: World) -> None:
    """S35, S38."""
    world.plan()
    world.at("2026-05-22 10:00")
    itas(world, date(2026, 6, 10))
    world.run()

    assert [step for step, _ in world.told()] == ["three-weeks"]


def test_switching_the_rules_on_floods_nobody(world: World) -> None:
    """S44."""
    itas(world, date(2026, 6, 10))

    report = world.at("2026-05-22 10:00").run()

    assert report.planned == 0
    reasons = {answer.decision.step.name: answer.decision.reason for answer in world.explain("2D21XX0000-Z").answers}
    assert reasons["three-weeks"] is Reason.NOT_IN_FORCE
    assert reasons["two-weeks"] is Reason.NOT_YET


def test_a_case_paid_between_plan_and_send_gets_no_reminder_and_says_why(world: World) -> None:
    """S34, S93: and explain gives the reason."""
    world.plan()
    itas(world, date(2026, 6, 10))
    world.at("2026-05-27 06:00").plan()  # planned for 09:00, not sent yet

    itas(world, date(2026, 6, 10), status="renewal protected")
    world.at("2026-05-27 09:30").run()

    assert world.sent == []
    answer = next(one for one in world.explain("2D21XX0000-Z").answers if one.entry is not None)
    assert answer.words == "cancelled: status: renewal protected"
    assert [line.what for line in world.trace("2D21XX0000-Z")] == ["planned", "cancelled"]


def test_the_guard_alone_stops_what_was_paid_after_the_last_plan(world: World) -> None:
    """S34, S73: asked again before the first rung, without a plan between."""
    world.plan()
    itas(world, date(2026, 6, 10))
    world.at("2026-05-27 06:00").plan()
    itas(world, date(2026, 6, 10), status="renewal protected")
    world.at("2026-05-27 09:30").send()  # no planning in between

    assert world.sent == []
    (row,) = world.notifications()
    assert (row.state, row.reason, row.detail) == ("cancelled", "pointless", "status: renewal protected")


def test_what_was_cancelled_as_protected_revives_when_the_renewal_is_refused(world: World) -> None:
    """S43."""
    world.plan()
    itas(world, date(2026, 6, 10))
    world.at("2026-05-27 06:00").plan()
    itas(world, date(2026, 6, 10), status="renewal protected")
    world.at("2026-05-27 10:00").run()
    itas(world, date(2026, 6, 10), status="active")
    world.at("2026-05-28 10:00").run()

    assert world.told() == [("two-weeks", "2026-05-28")]


def test_nine_in_the_morning_is_three_instants_in_three_zones(engine: Engine) -> None:
    """S1, S23."""
    world = World(engine)
    world.office("makassar", "Asia/Makassar")
    world.office("ambon", "Asia/Jayapura")
    world.plan()
    for number, office in (("A1", "jakarta-barat"), ("A2", "makassar"), ("A3", "ambon")):
        world.person(f"P-{number}")
        facts = {"type": "ITAS", "issue": date(2025, 6, 10), "expiry": date(2026, 6, 10)}
        world.permit(number, f"P-{number}", office=office, **facts)  # type: ignore[arg-type]
    world.at("2026-05-20 00:30").plan()

    leaves = sorted(row.next_attempt_at for row in world.notifications(step="three-weeks"))

    assert leaves == [datetime(2026, 5, 20, hour, 0, tzinfo=UTC) for hour in (0, 1, 2)]


@pytest.mark.parametrize("expiry", [date(2026, 3, 22), date(2026, 3, 25)])
def test_an_expiry_inside_lebaran_is_announced_before_it(world: World, expiry: date) -> None:
    """S11."""
    world.plan()
    itas(world, expiry, issue=date(2025, 3, 20))
    world.days("2026-02-10", "2026-03-26")

    told = dict(world.told())

    assert max(told.values()) == "2026-03-17"
    assert "last-day" in told


def test_on_17_march_the_permit_of_31_march_gets_one_message_that_says_fourteen_days(world: World) -> None:
    """V6: T-7 falls on 24 March, inside Lebaran, and moves to the 17th; T-14 is spent by it."""
    world.plan()
    itas(world, date(2026, 3, 31), issue=date(2025, 3, 20))
    world.days("2026-02-25", "2026-03-16")
    world.forget_sent()
    world.days("2026-03-17", "2026-03-31")

    assert world.told()[-2:] == [("one-week", "2026-03-17"), ("last-day", "2026-03-30")]
    first = next(message for message in world.sent if isinstance(message, EmailMessage))
    assert "in 14 days" in first.text


def test_a_visa_on_arrival_of_25_march_spends_its_week_step(world: World) -> None:
    """V5: opens 11 Mar, T-10 on the 13th, 2 working days before on the 16th, last on the 17th 08:15; T-7 spent."""
    world.plan()
    facts = {"origin": "visa on arrival", "extensions_left": 1, "issue": date(2026, 2, 24), "expiry": date(2026, 3, 25)}
    world.permit("X0000123", "P1", type="ITK", **facts)  # type: ignore[arg-type]
    world.limits = replace(world.limits, per_day=5, per_week=50)
    world.days("2026-03-09", "2026-03-27")

    assert world.told() == [
        ("opens", "2026-03-11"),
        ("ten-days", "2026-03-13"),
        ("day-before-last", "2026-03-16"),
        ("last-day", "2026-03-17"),
    ]


def test_the_last_day_before_joint_leave_2027(world: World) -> None:
    """V9: expiry 16 March 2027, last working day 5 March; T-10 and T-7 fall on it and are spent."""
    world.plan()
    facts = {"origin": "visa on arrival", "extensions_left": 1, "issue": date(2027, 2, 14), "expiry": date(2027, 3, 16)}
    world.permit("X0000124", "P1", type="ITK", **facts)  # type: ignore[arg-type]
    world.limits = replace(world.limits, per_day=5, per_week=50)
    world.days("2027-02-26", "2027-03-17")

    told = dict(world.told())

    assert told["last-day"] == "2027-03-05"
    assert not {"ten-days", "seven-days"} & set(told)


def test_a_child_who_turns_eighteen_is_told_in_person_and_the_mothers_word_counts(world: World) -> None:
    """N10, S60: what a guardian was told in the holder's place counts as told to the holder."""
    world.plan()
    world.person("MOTHER", "MARIA")
    world.person("CHILD", "LINA", birth_date=date(2008, 5, 25), nationality="DE")
    world.permit(
        "2D21XX0001-Z",
        "CHILD",
        type="ITAS",
        issue=date(2025, 6, 10),
        expiry=date(2026, 6, 10),
        roles={"guardian": ["MOTHER"]},
    )
    world.days("2026-05-19", "2026-06-03")

    rows = [(row.step, row.role) for row in world.notifications() if row.told_at]

    assert rows[0] == ("opens", "guardian")
    assert rows[1:] == [("three-weeks", "guardian"), ("two-weeks", "holder"), ("one-week", "holder")]


def test_a_new_sponsor_is_told_the_newest_step_once_and_the_old_one_nothing_more(world: World) -> None:
    """N11, S61."""
    world.plan()
    world.person("S-OLD", "PT LAMA", kind="organisation")
    world.person("S-NEW", "PT BARU", kind="organisation")
    world.permit(
        "Z1", "P1", type="ITAS", issue=date(2025, 6, 10), expiry=date(2026, 6, 10), roles={"sponsor": ["S-OLD"]}
    )
    world.days("2026-05-19", "2026-05-21")
    world.permit(
        "Z1", "P1", type="ITAS", issue=date(2025, 6, 10), expiry=date(2026, 6, 10), roles={"sponsor": ["S-NEW"]}
    )
    world.days("2026-05-22", "2026-05-28")

    sponsors = [(row.step, row.party_id) for row in world.notifications(role="sponsor") if row.told_at]

    assert [step for step, _ in sponsors] == ["opens", "three-weeks", "three-weeks", "two-weeks"]
    assert len({party for _, party in sponsors}) == 2


def test_an_agent_without_authority_in_force_is_passed_over(world: World) -> None:
    """N14, S62."""
    from notifier.store.records import RoleRecord

    world.plan()
    world.person("AGENT", "BIRO JASA", kind="organisation")
    agent = RoleRecord("AGENT", date(2026, 1, 1), date(2026, 5, 26))
    world.permit("Z2", "P1", type="ITAS", issue=date(2025, 6, 10), expiry=date(2026, 6, 10), roles={"agent": [agent]})
    world.at("2026-05-27 06:00").run()
    world.at("2026-05-27 09:30").run()

    assert {row.role for row in world.notifications() if row.told_at} == {"holder"}
    reasons = {answer.decision.reason for answer in world.explain("Z2").answers}
    assert Reason.AUTHORITY_ENDED in reasons


def test_death_stops_every_message_about_the_person(world: World) -> None:
    """N12, S65."""
    world.plan()
    itas(world, date(2026, 6, 10))
    world.person("P1", "ANNA SCHMIDT", nationality="DE", deceased_on=date(2026, 5, 1))
    world.days("2026-05-10", "2026-06-10")

    assert world.sent == []


def test_a_permit_replaced_early_is_silent_although_it_stays_active(world: World) -> None:
    """N5, S56."""
    world.plan()
    itas(world, date(2026, 6, 10))
    itas(world, date(2027, 6, 10), number="2D22XX0000-Z", issue=date(2026, 5, 1))
    world.days("2026-05-10", "2026-06-10")

    assert world.sent == []
    answers = [one for one in world.explain("2D21XX0000-Z").answers if one.rule.name == "itas-extension"]
    assert answers[0].decision.detail == "status: renewed"


def test_sooner_goes_only_to_those_who_were_told_the_later_date(world: World) -> None:
    """N16, S50: the person believes 10 June."""
    world.plan()
    world.person("S1", "PT MAJU", kind="organisation")
    itas(world, date(2026, 6, 10))
    world.days("2026-05-19", "2026-05-26")
    world.forget_sent()
    itas(world, date(2026, 6, 2))
    world.at("2026-05-27 10:00").run()

    assert world.told()[-1] == ("sooner", "2026-05-27")
    assert {message.to for message in world.sent} == {"p1@mail.example", world.carriers[Channel.WHATSAPP].sent[0].to}


def test_payment_reminders_stop_when_it_is_paid_and_start_anew_when_the_deadline_moves(world: World) -> None:
    """N7: deadline moved from 12:00 to 12:00 tomorrow; half-time told, thirty minutes pending."""
    world.plan()
    world.at("2026-05-18 10:00")
    world.case("C1", "P1", service="passport", state="awaiting payment", payment_due_at=wib("2026-05-18 12:00"))
    world.run()
    world.at("2026-05-18 11:00").run()
    assert [step for step, _ in world.told()] == ["half-time"]

    world.at("2026-05-18 11:05")
    world.case("C1", "P1", service="passport", state="awaiting payment", payment_due_at=wib("2026-05-19 12:00"))
    report = world.plan()
    assert report.cancelled == 1
    world.at("2026-05-18 11:30").run()
    assert [step for step, _ in world.told()] == ["half-time"]
    world.at("2026-05-18 12:00").run()
    world.at("2026-05-19 09:00").run()

    assert [step for step, _ in world.told()] == ["half-time", "one-day", "three-hours"]
    cancelled = world.notifications(state="cancelled")
    assert [row.reason for row in cancelled] == ["date moved"]


def test_a_passport_that_waits_is_announced_and_called_for_the_last_time(world: World) -> None:
    """V14: issued Fri 20 Feb 2026; 27 Feb, 6 Mar, 13 Mar, where the last call replaces three weeks."""
    world.plan()
    world.at("2026-02-20 08:00")
    world.limits = replace(world.limits, per_day=5, per_week=50)
    world.case(
        "C2",
        "P1",
        service="passport",
        state="ready for collection",
        issue=date(2026, 2, 20),
        collect_by=date(2026, 3, 22),
    )
    world.days("2026-02-20", "2026-03-23")

    assert world.told() == [
        ("ready", "2026-02-20"),
        ("one-week", "2026-02-27"),
        ("two-weeks", "2026-03-06"),
        ("last-call", "2026-03-13"),
    ]


def test_a_misprint_and_back_within_minutes_repeats_nothing_but_a_real_return_announces_again(world: World) -> None:
    """N6, S54."""
    world.plan()
    world.limits = replace(world.limits, per_day=9, per_week=90)
    ready: dict[str, object] = {"service": "passport", "issue": date(2026, 5, 18), "collect_by": date(2026, 6, 17)}
    world.at("2026-05-18 09:00").case("C3", "P1", state="ready for collection", **ready)  # type: ignore[arg-type]
    world.run()
    world.at("2026-05-18 09:10").case("C3", "P1", state="in process", **ready)  # type: ignore[arg-type]
    world.run()
    world.at("2026-05-18 09:12").case("C3", "P1", state="ready for collection", **ready)  # type: ignore[arg-type]
    world.run()
    assert [step for step, _ in world.told()] == ["ready"]

    world.at("2026-05-20 09:00").case("C3", "P1", state="in process", **ready)  # type: ignore[arg-type]
    world.run()
    world.at("2026-05-28 09:00").case("C3", "P1", state="ready for collection", **ready)  # type: ignore[arg-type]
    world.at("2026-05-28 09:05").run()

    assert [step for step, _ in world.told()] == ["ready", "ready"]


def test_the_rung_waits_shrink_as_the_deadline_nears(world: World) -> None:
    """S71: 08:15, useful until the end of the day before expiry's last working day."""
    for carrier in world.carriers.values():
        carrier.proves = False
    world.plan()
    world.at("2026-05-18 10:00")
    world.case("C4", "P1", service="passport", state="scheduled", appointment_at=wib("2026-05-20 09:00"))
    world.at("2026-05-19 09:00").run()
    (row,) = world.notifications(step="day-before")
    assert row.state == "sent"
    assert row.next_attempt_at == wib("2026-05-19 12:00")  # as written: after 3 hours
    world.at("2026-05-19 12:00").run()

    assert [message.text[:9] for message in world.carriers[Channel.SMS].sent] == ["Imigrasi "]


def test_a_proof_of_delivery_ends_the_ladder(world: World) -> None:
    """S72."""
    world.plan()
    world.at("2026-05-18 10:00")
    world.case("C5", "P1", service="passport", state="scheduled", appointment_at=wib("2026-05-20 09:00"))
    world.at("2026-05-19 09:00").run()
    world.at("2026-05-19 18:00").run()

    assert world.carriers[Channel.SMS].sent == []
    assert [row.state for row in world.notifications(step="day-before")] == ["delivered"]


def test_one_message_a_day_for_a_person_and_the_rest_the_next_day(world: World) -> None:
    """S81: one a day; the rest the next day."""
    world.plan()
    itas(world, date(2026, 6, 10))
    facts = {"type": "passport", "issue": date(2016, 8, 20), "expiry": date(2026, 8, 20)}
    world.permit("X0000125", "P1", **facts)  # type: ignore[arg-type]
    world.days("2026-05-20", "2026-05-21")

    assert world.told() == [("three-weeks", "2026-05-20"), ("three-months", "2026-05-21")]


def test_a_recipient_in_another_zone_is_told_within_their_own_hours(world: World) -> None:
    """V19 turned round: office Jayapura 08:15 WIT, sponsor in Jakarta is told at 07:00 WIB."""
    world.office("jayapura", "Asia/Jayapura")
    world.person("S2", "PT TIMUR", kind="organisation", zone="Asia/Jakarta")
    world.person("P2", "KAI")
    world.plan()
    world.permit(
        "J1",
        "P2",
        office="jayapura",
        type="ITAS",
        issue=date(2025, 6, 10),
        expiry=date(2026, 6, 10),
        roles={"sponsor": ["S2"]},
    )
    world.at("2026-06-09 00:10").plan()

    leaves = {row.role: row.next_attempt_at for row in world.notifications(step="last-day")}

    assert leaves["holder"] == datetime(2026, 6, 8, 23, 15, tzinfo=UTC)
    assert leaves["sponsor"] == datetime(2026, 6, 9, 0, 0, tzinfo=UTC)


def test_a_late_bounce_reopens_the_ladder_and_a_late_proof_closes_it(world: World) -> None:
    """S69, S72."""
    for carrier in world.carriers.values():
        carrier.proves = False
    world.plan()
    world.at("2026-05-18 10:00")
    world.case("C6", "P1", service="passport", state="scheduled", appointment_at=wib("2026-05-20 09:00"))
    world.at("2026-05-19 09:00").run()
    (first,) = world.deliveries()
    world.receipt(first.id, DeliveryState.FAILED, reason=Reason.NOT_REACHABLE)
    world.send()
    assert len(world.carriers[Channel.SMS].sent) == 1  # S69: at once, not after three hours

    world.receipt(first.id, DeliveryState.DELIVERED)

    (row,) = world.notifications(step="day-before")
    assert (row.state, row.next_attempt_at) == ("delivered", None)
    assert isinstance(world.carriers[Channel.SMS].answer(world.carriers[Channel.SMS].sent[0]), Accepted)


def test_an_officers_resend_goes_within_sending_hours_although_it_was_told(world: World) -> None:
    world.plan()
    itas(world, date(2026, 6, 10))
    world.days("2026-05-20", "2026-05-20")
    (row,) = [one for one in world.notifications() if one.step == "three-weeks"]
    world.forget_sent()

    world.at("2026-05-20 22:00")
    with writing(world.engine) as connection:
        assert resend(connection, read_story(connection, row.id), now=world.now) is None
    world.send()
    assert world.sent == []  # people sleep

    world.at("2026-05-21 07:00").send()
    assert [message.to for message in world.sent if isinstance(message, EmailMessage)] == ["p1@mail.example"]


def test_an_officers_resend_does_not_remind_who_has_paid(world: World) -> None:
    world.plan()
    itas(world, date(2026, 6, 10))
    world.days("2026-05-20", "2026-05-20")
    (row,) = [one for one in world.notifications() if one.step == "three-weeks"]
    itas(world, date(2026, 6, 10), status="renewal protected")
    world.forget_sent()
    with writing(world.engine) as connection:
        resend(connection, read_story(connection, row.id), now=world.now)
    world.send()

    assert world.sent == []


def test_what_was_told_stays_told_in_the_explanation_after_the_renewal(world: World) -> None:
    world.plan()
    itas(world, date(2026, 6, 10))
    world.days("2026-05-20", "2026-05-20")
    itas(world, date(2026, 6, 10), status="renewal protected")
    world.at("2026-05-21 10:00").run()

    told = [one.words for one in world.explain("2D21XX0000-Z").answers if one.entry is not None]
    assert told == ["told, delivered"]
