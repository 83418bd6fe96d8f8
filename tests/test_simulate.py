"""`simulate`: what a whole register would be told, counted once for each kind of subject, and true to the engine."""

import json
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, select

from notifier.cli import main
from notifier.errors import ConfigError
from notifier.intake.importer import import_files
from notifier.intake.sample import write_sample
from notifier.model import Channel
from notifier.rules.load import load_rules
from notifier.rules.rule import RuleSet
from notifier.sections import PriceSettings, ThroughputSettings
from notifier.simulate.drawing import stacked_days
from notifier.simulate.reads import Period
from notifier.simulate.report import Report
from notifier.simulate.simulate import Rates, languages_of, period_of
from notifier.simulate.simulate import simulate as play
from notifier.simulate.tally import Caps, Counts, clashes
from notifier.simulate.walk import Stage, count, in_processes, parts_of, together
from notifier.store import tables as t
from notifier.store.engine import reading, writing
from tests.world import PROJECT, World, wib

JAKARTA = ZoneInfo("Asia/Jakarta")
RATES = Rates(PriceSettings(), ThroughputSettings(), JAKARTA)

STAY = """
rule: stay
title: A stay permit is extended in time
legal basis: public service
for: permit
when:
  type: ITAS
unless:
  status: [renewal protected, renewed, epo issued, departed]
to: [holder, sponsor]
via: [whatsapp and email, sms after 6 hours]
template: itas/extension
correction: 10 days
steps:
  month:
    send: 30 days before expiry
  week:
    send: 7 days before expiry
  last:
    send: last working day before expiry
    time: 08:15
    urgent: yes
"""


def rules_of(folder: Path, *texts: str) -> RuleSet:
    """A folder with these rules and the data files of the project."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("windows.yaml", "documents.yaml", "calendar.yaml"):
        (folder / name).write_text((PROJECT / "rules" / name).read_text())
    for text in texts:
        name = re.search(r"^rule: (\S+)", text, re.MULTILINE)
        assert name is not None
        (folder / f"{name[1]}.yaml").write_text(text.lstrip())
    return load_rules(folder)


def period(first: str, last: str, now: datetime) -> Period:
    return period_of(date.fromisoformat(first), date.fromisoformat(last), days=1, now=now, zone=JAKARTA)


def stage_of(world: World, days: Period, rules: RuleSet | None = None) -> Stage:
    own = rules or world.rules
    url = world.engine.url.render_as_string(hide_password=False)
    return Stage(url, own, world.calendar_data, days, languages=languages_of(own, world.renderer))


def simulated(world: World, first: str, last: str, rules: RuleSet | None = None) -> Report:
    return play(stage_of(world, period(first, last, world.now), rules), world.renderer, RATES)


def counted(stage: Stage) -> Counts:
    """All counts, worked out here in one piece."""
    return together([count(stage, part) for part in parts_of(stage, 1)]).finish()


def same(one: Counts, other: Counts) -> None:
    for name in ("rows", "messages", "sends", "later", "hours", "unreachable", "waiting"):
        assert getattr(one, name) == getattr(other, name), name


@pytest.fixture
def world(sqlite_engine: Engine, tmp_path: Path) -> World:
    rules_of(tmp_path / "rules", STAY)
    return World(sqlite_engine, rules=tmp_path / "rules", now="2026-03-02 08:00")


# ------------------------------------------------------------------------------------- true to the engine


def random_register(engine: Engine, folder: Path, seed: int, size: int) -> None:
    write_sample(folder, size, seed, on=date(2026, 3, 2), due_share=0.6)
    files = [folder / f"{kind}.csv" for kind in ("offices", "people", "permits", "cases")]
    import_files(engine, files, now=wib("2026-02-01"))


def correct_some_dates(engine: Engine, every: int) -> None:
    """Some expiry dates move: by a few days, later or earlier, or by a year because the permit was extended.

    Among them are all of which somebody was told, and every so many others.
    """
    told = select(t.notification.c.subject_id).where(t.notification.c.told_at.is_not(None))
    with writing(engine) as connection:
        dated = select(t.permit.c.id).where(t.permit.c.expiry.is_not(None)).order_by(t.permit.c.id)
        few = {*connection.scalars(dated.where(t.permit.c.id.in_(told))), *connection.scalars(dated).all()[::every]}
        for place, key in enumerate(sorted(few)):
            day = connection.execute(select(t.permit.c.expiry).where(t.permit.c.id == key)).scalar_one()
            moved = day + timedelta(days=(3, -4, 400)[place % 3])
            connection.execute(t.permit.update().where(t.permit.c.id == key).values(expiry=moved))
            seen = {"subject_kind": "permit", "subject_id": key, "field": "expiry", "at": wib("2026-03-02 12:00")}
            connection.execute(t.seen.insert().values(**seen, value=moved.isoformat()))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_is_worked_out_once_for_many_is_what_each_would_be_told(
    sqlite_engine: Engine, tmp_path: Path, seed: int
) -> None:
    """S94: subjects that are alike in everything a rule reads share one answer; with a ledger and corrections, too.

    And no rule would tell anything to those that it was not asked about.
    """
    random_register(sqlite_engine, tmp_path / "csv", seed, 160)
    world = World(sqlite_engine, now="2026-03-02 09:00")
    world.plan()  # a ledger of what waits, and since when each step is in force
    world.send()
    correct_some_dates(sqlite_engine, 7 + seed)
    world.at("2026-03-03 07:00")
    stage = stage_of(world, period("2026-03-03", "2026-09-30", world.now))

    shared, alone = counted(stage), counted(replace(stage, share=False))

    assert sum(shared.rows.values()) > 300
    assert shared.kinds < alone.kinds
    assert shared.subjects < alone.subjects
    assert "sooner" in {stage.rules.rules[rule].steps[step].name for rule, step, _, _ in shared.messages}
    same(shared, alone)


def test_a_simulation_says_beforehand_what_the_engine_then_sends(world: World) -> None:
    """S33, S35, S57, S94: the same notifications, on the same days, as when the days really pass."""
    world.limits = replace(world.limits, per_day=50, per_week=50)
    world.person("S-1", "PT MAJU", kind="organisation")
    for place, expiry in enumerate(("2026-03-20", "2026-03-31", "2026-04-10", "2026-04-14", "2026-06-30")):
        world.person(f"P-{place}")
        world.permit(
            f"X-{place}", f"P-{place}", type="ITAS", expiry=date.fromisoformat(expiry), roles={"sponsor": ["S-1"]}
        )
    world.permit("X-9", "P-0", type="ITAS", expiry=date(2026, 4, 9), status="departed")
    world.plan()
    report = simulated(world, "2026-03-02", "2026-04-20")
    expected = {
        (report.rules[rule].name, date.fromordinal(day)): count for (rule, _, day), count in report.counts.rows.items()
    }
    world.days("2026-03-02", "2026-04-20")
    happened: Counter[tuple[str, date]] = Counter()
    with reading(world.engine) as connection:
        n = t.notification.c
        for row in connection.execute(select(n.rule, n.first_sent_at).where(n.first_sent_at.is_not(None))):
            happened[row.rule, row.first_sent_at.astimezone(JAKARTA).date()] += 1

    assert len(expected) > 5
    assert dict(happened) == expected


def test_days_before_the_first_that_counts_are_played_too(world: World) -> None:
    """S35, S94: what is told until then is not told again on the first day."""
    world.person("P-1")
    world.permit("X-1", "P-1", type="ITAS", expiry=date(2026, 4, 14))
    world.plan()

    report = simulated(world, "2026-04-01", "2026-04-30")

    assert sorted(report.by_day) == [date(2026, 4, 7), date(2026, 4, 13)]


def test_what_is_told_already_is_not_told_again(world: World) -> None:
    """S52: the ledger of the register is part of the simulation."""
    world.person("P-1")
    world.permit("X-1", "P-1", type="ITAS", expiry=date(2026, 4, 1))
    world.at("2026-03-02 10:00").run()
    told = world.told()
    report = simulated(world, "2026-03-02", "2026-04-30")

    assert told
    assert not any(step in {name for _, name in told} for _, step in report.by_step)


def test_a_period_in_the_past_is_played_as_if_the_engine_had_begun_with_it(world: World) -> None:
    """S44: nothing from before its first day exists, and the ledger of today says nothing about it."""
    world.person("P-1")
    world.permit("X-1", "P-1", type="ITAS", expiry=date(2026, 2, 20))

    report = simulated(world, "2026-02-01", "2026-02-28")

    assert {step for _, step in report.by_step} == {"week", "last"}


# ------------------------------------------------------------------------------------- counted as people get them


def family(world: World) -> None:
    for place, expiry in enumerate(("2026-05-10", "2026-05-10", "2026-05-12", "2026-05-12", "2026-05-12")):
        world.person(f"P-{place}", household="KELUARGA")
        with writing(world.engine) as connection:
            contact = t.contact.update().where(t.contact.c.channel != "email")
            connection.execute(contact.values(address="+628120000099"))
            connection.execute(t.contact.delete().where(t.contact.c.channel == "email"))
        world.permit(f"X-{place}", f"P-{place}", type="ITAS", expiry=date.fromisoformat(expiry))


def test_a_family_with_one_telephone_gets_one_message_a_day(world: World) -> None:
    """S80, N2: five documents, ten of them due on 10 April, and one message."""
    family(world)
    report = simulated(world, "2026-04-09", "2026-04-10")

    assert report.by_day == {date(2026, 4, 10): 1}
    assert report.notifications == 5


def test_a_sponsor_of_many_gets_one_message_a_day_and_the_holders_their_own(engine: Engine, tmp_path: Path) -> None:
    """S80: merged for the recipient, not for the document; on each kind of database."""
    rules_of(tmp_path / "rules", STAY)
    world = World(engine, rules=tmp_path / "rules", now="2026-03-02 08:00")
    world.person("S-1", "PT MAJU", kind="organisation")
    for place in range(4):
        world.person(f"P-{place}")
        world.permit(f"X-{place}", f"P-{place}", type="ITAS", expiry=date(2026, 4, 8), roles={"sponsor": ["S-1"]})
    report = simulated(world, "2026-03-09", "2026-03-09")

    assert (report.messages, report.notifications) == (5, 8)
    assert all(parts == 1 for parts in report.parts.values())
    assert set(report.parts) == {(0, 0, "en")}


def test_separate_messages_stay_separate(world: World, tmp_path: Path) -> None:
    """S80: `separate: yes` merges nothing."""
    rules = rules_of(tmp_path / "apart", STAY.replace("correction:", "separate: yes\ncorrection:"))
    family(world)
    assert simulated(world, "2026-04-10", "2026-04-10", rules).messages == 5


@pytest.mark.parametrize(
    ("days", "waiting"), [([1], 0), ([1, 1], 1), ([1, 2, 3], 0), ([1, 2, 3, 4], 1), ([1, 2, 3, 8], 0), ([5, 5, 5], 2)]
)
def test_messages_over_a_personal_cap_are_counted_as_waiting(days: list[int], waiting: int) -> None:
    """S81: one a day, three in seven days."""
    assert clashes(days, Caps(1, 3)) == waiting


def test_only_the_first_rung_counts_and_the_others_stand_apart(world: World) -> None:
    """S67, S75: channels without an address are passed over, who has none is named."""
    world.person("P-1")
    world.person("P-2", phone=False)
    world.person("P-3", phone=False, email=False)
    for place in (1, 2, 3):
        world.permit(f"X-{place}", f"P-{place}", type="ITAS", expiry=date(2026, 4, 8))
    report = simulated(world, "2026-03-09", "2026-03-09")

    assert report.by_channel == {Channel.WHATSAPP: 1, Channel.EMAIL: 2}
    assert report.later_by_channel == {Channel.SMS: 1}
    assert report.unreachable == {"stay": 1}
    assert report.messages == 2
    assert report.notifications == 3
    assert report.by_language == {"en": 3}


def test_cost_and_queues_follow_the_settings(world: World) -> None:
    """Prices are per message, of SMS per part; a provider's speed says how long an hour's messages take."""
    world.person("P-1")
    world.permit("X-1", "P-1", type="ITAS", expiry=date(2026, 4, 8))
    rates = replace(
        RATES, prices=PriceSettings("EUR", 1.0, 0.25, 0.5), throughput=ThroughputSettings(sms=1, whatsapp=2, email=1)
    )
    report = play(stage_of(world, period("2026-03-09", "2026-03-09", world.now)), world.renderer, rates)

    assert report.cost == 0.75
    assert report.later_cost == report.later_sms_parts >= 1
    assert [(one.channel, one.messages, one.takes.total_seconds()) for one in report.peaks] == [
        (Channel.EMAIL, 1, 1.0),
        (Channel.WHATSAPP, 1, 0.5),
    ]
    assert report.peaks[0].at.hour == 9


def test_days_over_a_limit_are_named(world: World, tmp_path: Path) -> None:
    """S83: an officer would be asked."""
    rules = rules_of(tmp_path / "limited", STAY.replace("correction:", "limit: 2 a day\ncorrection:"))
    for place in range(3):
        world.person(f"P-{place}")
        world.permit(f"X-{place}", f"P-{place}", type="ITAS", expiry=date(2026, 4, 8))
    report = simulated(world, "2026-03-09", "2026-03-09", rules)

    assert report.over_limit == [(date(2026, 3, 9), "jakarta-barat", "stay", 3, 2)]


def test_a_part_in_another_process_counts_as_one_here(sqlite_engine: Engine, tmp_path: Path) -> None:
    """S80: who is told of documents in both halves of the register still gets one message."""
    random_register(sqlite_engine, tmp_path / "csv", 5, 60)
    world = World(sqlite_engine, now="2026-03-02 09:00")
    stage = stage_of(world, period("2026-03-02", "2026-06-30", world.now))
    whole = counted(stage)
    halves = [
        [replace(one, last=one.first + 30) for one in parts_of(stage, 1)[0]],
        [replace(one, first=one.first + 31) for one in parts_of(stage, 1)[0]],
    ]
    apart = together(in_processes(partial(count, stage), halves)).finish()

    assert sum(whole.messages.values()) < sum(whole.rows.values())
    assert whole.subjects == apart.subjects
    same(whole, apart)


def test_what_ends_on_one_day_is_worked_out_by_one_process(sqlite_engine: Engine, tmp_path: Path) -> None:
    """S94: each subject is taken by one hand, and what is measured does not depend on how many there are."""
    random_register(sqlite_engine, tmp_path / "csv", 6, 120)
    world = World(sqlite_engine, now="2026-03-02 09:00")
    stage = stage_of(world, period("2026-03-02", "2026-09-30", world.now))
    whole = counted(stage)
    shares = [[replace(one, hand=hand, hands=3) for one in parts_of(stage, 1)[0]] for hand in range(3)]
    tallies = [count(stage, share) for share in shares]
    kinds = [tally.counts.kinds for tally in tallies]
    apart = together(tallies).finish()

    assert whole.subjects == apart.subjects > 100
    assert min(kinds) > 10
    assert sum(kinds) < whole.kinds * 1.1  # cases, and permits of people who have both, may repeat an answer
    assert apart.samples == whole.samples
    same(whole, apart)


# ------------------------------------------------------------------------------------------------- the command


def run(world: World, *words: str, rules: Path = PROJECT / "rules") -> Result:
    variables = {
        "NOTIFIER_DATABASE_URL": f"sqlite:///{world.engine.url.database}",
        "NOTIFIER_RULES": str(rules),
        "NOTIFIER_TEMPLATES": str(PROJECT / "templates"),
    }
    return CliRunner().invoke(main, list(words), env=variables)


def test_files_are_simulated_without_a_register(world: World, tmp_path: Path) -> None:
    """A folder of CSV files is read into a database of its own; the register is not touched."""
    write_sample(tmp_path / "csv", 40, 1, on=date(2026, 3, 2))
    command = ["simulate", "--register", str(tmp_path / "csv"), "--on", "2026-03-02", "--until", "2026-04-30"]
    done = run(world, *command, "--processes", "1", "--format", "json", "--html", str(tmp_path / "page.html"))
    assert done.exit_code == 0, done.output
    answer = json.loads(done.output)

    assert answer["messages"] == sum(answer["by_day"].values()) == sum(answer["by_step"].values()) > 20
    assert sum(answer["by_office"].values()) == sum(answer["by_rule"].values()) == answer["messages"]
    assert any("nobody" in sentence.lower() for sentence in answer["assumptions"])
    with reading(world.engine) as connection:
        assert connection.execute(select(t.permit.c.id)).first() is None
    text = (tmp_path / "page.html").read_text()
    assert not re.findall(r"(?:src|href)=|@import|url\(", text), "the page needs nothing from elsewhere"
    assert text.count("<svg") == 3
    assert all(
        f'aria-label="{label}' in text for label in ("Messages per day, stacked by rule", "Messages per day as a")
    )
    assert "prefers-color-scheme: dark" in text


def test_one_great_day_does_not_flatten_the_others() -> None:
    """A bar far taller than the others is cut and named, and one that is only taller is drawn as it is."""
    days = [date(2026, 3, 1) + timedelta(days=place) for place in range(40)]
    even = {(day, "stay"): 100 for day in days}
    cut = stacked_days(days, ["stay"], even | {(days[0], "stay"): 5000}, "Messages per day")
    whole = stacked_days(days, ["stay"], even | {(days[0], "stay"): 250}, "Messages per day")

    assert "2026-03-01: 5,000</text>" in cut and 'class="cut"' in cut and "<p>A bar with a gap" in cut
    assert "2026-03-01, stay: 5,000</title>" in cut
    assert ">200</text>" in cut and ">250</text>" in whole
    assert 'class="cut"' not in whole and "<p>" not in whole
    heights = [float(one) for one in re.findall(r' height="([\d.]+)"', cut)]
    assert heights[0] == pytest.approx(2 * heights[1], abs=0.2)
    assert stacked_days(days, [], {}, "Nothing").count("<rect") == 0


def test_the_table_says_what_is_assumed_and_plots_weeks(world: World) -> None:
    """Each figure has its words, each week its bar."""
    world.person("P-1")
    world.permit("X-1", "P-1", type="ITAS", expiry=date(2026, 4, 8))
    done = run(world, "simulate", "--on", "2026-03-02", "--until", "2026-04-30", "--plot", "--processes", "1")
    assert done.exit_code == 0, done.output

    assert "itas-extension" in done.output
    assert "Nobody renews" in done.output
    assert re.search(r"2026-03-09 +█+", done.output)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--office", "nowhere"], "there is no office nowhere; there are: jakarta-barat"),
        (["--rule", "nothing"], "there is no rule nothing; there are:"),
        (["--from", "2026-03-09", "--until", "2026-03-08"], "must not lie before --from"),
        (["--until", "2036-03-08"], "more than five years"),
        (["--register", "."], "holds no register"),
        (["--from", "9999-12-31"], "in no year from 2000 to 2100"),
        (["--html", "nowhere/page.html"], "there is no folder"),
    ],
)
def test_wrong_use_is_said_with_the_remedy(world: World, tmp_path: Path, words: list[str], said: str) -> None:
    """Exit code 2."""
    words = [str(tmp_path) if word == "." else word for word in words]
    done = run(world, "simulate", "--on", "2026-03-02", "--processes", "1", *words)
    assert done.exit_code == 2
    assert said in done.output


def test_a_period_begins_now_or_with_its_first_day() -> None:
    """From today on the clock stands at now; an earlier day is the past."""
    now = datetime(2026, 3, 2, 3, tzinfo=UTC)
    today = period_of(None, None, days=7, now=now, zone=JAKARTA)
    past = period_of(date(2026, 3, 1), None, days=1, now=now, zone=JAKARTA)

    assert (today.first, today.last, today.span.since, today.is_past) == (
        date(2026, 3, 2),
        date(2026, 3, 8),
        now,
        False,
    )
    assert (past.span.since, past.is_past) == (datetime(2026, 2, 28, 17, tzinfo=UTC), True)
    with pytest.raises(ConfigError, match="must not lie before"):
        period_of(date(2026, 3, 2), date(2026, 3, 1), days=1, now=now, zone=JAKARTA)
