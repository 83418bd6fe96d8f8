"""The benchmark command: its table is whole, its page says what was measured, its register plans what it promises."""

import ast
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from benchmarks import Figure, Rounds, interleave, parts, register, report, table, wave
from benchmarks.__main__ import PAGE, SCALING, main
from benchmarks.results import RESULTS, Result, read, save
from benchmarks.wave import Costs, Wave, simulate

PROJECT = Path(__file__).parent.parent
RECORDED = Path(__file__).parent / "data" / "benchmarks"
MAIL = ("ours", "sqlite", "shipped", "alertmanager", "celery", "dramatiq", "procrastinate", "aiosmtplib", "pipelined")


def rounds_of(*names: str, **numbers: float) -> Rounds:
    """Three rounds in which every contender gives the same numbers."""
    return Rounds({name: [numbers] * 3 for name in names})


def measured_names() -> set[str]:
    """The figures that a whole run gives."""
    sizes = (1_000_000, 10_000_000)
    planned = rounds_of("ours.1M", "ours.10M", "insert", seconds=2.0, again=1.0, cpu=1.0, whole_cpu=2.0, again_cpu=1.0)
    sent = {"per_second": 100.0, "cpu_us": 300.0, "database_us": 150.0, "whole_us": 500.0, "peak_mb": 90.0}
    found = [
        *parts.of_planning(sizes, "plan.postgres", planned),
        *parts.of_planning(sizes, "plan.sqlite", planned),
        *parts.of_email(rounds_of(*MAIL, **sent)),
        *parts.of_sms(rounds_of("ours", "dramatiq", **sent)),
        *parts.of_slow(rounds_of("ours", **sent)),
        *parts.of_far(rounds_of("ours", "aiosmtplib", **sent)),
    ]
    return {figure.name for figure in found}


def test_every_promise_has_a_part_that_measures_it() -> None:
    elsewhere = ("callbacks.", "import.")
    missing = {row.figure for row in table.ROWS if not row.figure.startswith(elsewhere)} - measured_names()
    assert not missing
    assert {table.PART_OF[row.figure.split(".")[0]] for row in table.ROWS} <= set(parts.PARTS)


@pytest.mark.parametrize(
    ("module", "names"), [("callbacks", ["callbacks.vs.update"]), ("importing", ["import.vs.copy"])]
)
def test_figures_measured_elsewhere_have_the_names_of_the_table(module: str, names: list[str]) -> None:
    file = PROJECT / "benchmarks" / f"{module}.py"
    words = {node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)}
    assert set(names) <= words


def test_every_module_imports() -> None:
    folder = PROJECT / "benchmarks"
    for file in sorted(folder.rglob("*.py")):
        path = file.relative_to(PROJECT).with_suffix("")
        if "programs" not in path.parts or path.name == "texts":  # the peers' own libraries are in another environment
            import_module(".".join(path.parts).removesuffix(".__init__"))


def test_the_peers_programs_are_python_and_their_libraries_are_pinned() -> None:
    for file in (PROJECT / "benchmarks" / "peers" / "programs").glob("*.py"):
        ast.parse(file.read_text(encoding="utf-8"))
    pins = (PROJECT / "benchmarks" / "peers" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert all("==" in line for line in pins if not line.startswith("#"))


def test_contenders_run_in_turn_and_the_first_round_is_not_counted() -> None:
    order: list[str] = []

    def contender(name: str) -> parts.Sample:
        def sample() -> dict[str, float]:
            order.append(name)
            return {"n": float(len(order))}

        return sample

    rounds = interleave({"a": contender("a"), "b": contender("b")}, 2)
    assert order == ["a", "b"] * 3
    assert rounds.values("a", "n") == [3.0, 5.0]


def test_a_ratio_is_taken_within_each_round() -> None:
    rounds = Rounds({"ours": [{"s": 10.0}, {"s": 40.0}], "other": [{"s": 5.0}, {"s": 20.0}]})
    assert rounds.ratio("x", ("ours", "s"), ("other", "s"), "less") == Figure("x", 2.0, "x", "less", 2.0, 2.0, 2)


@pytest.mark.parametrize(
    ("better", "value", "expected"),
    [("more", 9.9, "no"), ("more", 10, "floor"), ("more", 20, "goal"), ("less", 11, "no"), ("less", 1, "goal")],
)
def test_a_bar_is_reached_or_not(better: table.Better, value: float, expected: str) -> None:
    bars = (10, 20) if better == "more" else (10, 5)
    row = table.Row("what", "short", "name", better, *bars)
    assert row.reached(Figure.of("name", [value], "x", better)) == expected


def test_a_recorded_run_becomes_a_page_with_pictures(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    report.write(RECORDED, page)
    words = page.read_text(encoding="utf-8")
    assert all(row.what in words for row in table.ROWS)
    assert "floor missed" in words and "goal reached" in words
    assert "smtp-sink is not installed" in words  # what could not be measured says why
    for picture in ("promises", "email", "plan-postgres"):
        drawn = (tmp_path / "performance" / f"{picture}.svg").read_text(encoding="utf-8")
        assert drawn.startswith("<svg ") and drawn.endswith("</svg>\n")


def test_results_are_read_as_they_were_kept(tmp_path: Path) -> None:
    figure = Figure("a", 1.0, "s", "less", 0.5, 2.0, 5)
    result = Result("plan", "2026-09-16", {"cores": "2"}, {"runs": 5}, 0.3, [figure], "")
    save(tmp_path, result)
    assert read(tmp_path) == [result]


def test_the_page_in_docs_is_what_the_results_give() -> None:
    found = read(RESULTS)
    assert found, "no results are kept; run `make bench`"
    assert PAGE.read_text(encoding="utf-8") == report.text(found, "performance")
    kept = {file.stem: file.read_text(encoding="utf-8") for file in PAGE.with_suffix("").glob("*.svg")}
    assert kept == report.pictures(found)


def test_the_figures_of_the_page_on_scaling_are_what_the_results_give() -> None:
    words = SCALING.read_text(encoding="utf-8")
    assert "<!-- bench: sizes" in words and "<!-- bench: wave" in words
    assert words == report.fill(words, RESULTS)


def test_the_faults_of_the_page_on_operating_are_what_the_last_play_found() -> None:
    words = (SCALING.parent / "operating.md").read_text(encoding="utf-8")
    assert "<!-- bench: faults -->" in words
    assert words == report.fill(words, RESULTS)


def test_the_results_name_no_machine_and_no_path() -> None:
    for file in RESULTS.glob("*.json"):
        words = file.read_text(encoding="utf-8")
        assert not [sign for sign in ("/home/", "/tmp/", "/root/", "/work/", "http") if sign in words], file.name


def test_an_unknown_part_is_refused_with_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--only", "nonsense"])
    assert ended.value.code == 2
    assert "there is no part nonsense; there are plan, email" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------ the register


def test_the_register_plans_what_it_promises_and_may_be_planned_again(engine: Engine) -> None:
    planner = register.planner_for(engine)
    made = register.fill(engine, planner, permits=1_500, due=200, offices=4)
    report_ = planner.plan(now=register.MORNING)
    assert abs(report_.planned - made.notifications) <= 0.02 * made.notifications
    assert len(report_.by_rule) > 6 and not report_.undecided
    assert planner.plan(now=register.MORNING).planned == 0
    register.forget_plan(engine)
    assert planner.plan(now=register.MORNING).planned == report_.planned
    with engine.connect() as connection:
        late = "SELECT count(*) FROM notification WHERE moment < :day"
        assert connection.execute(text(late), {"day": "2026-09-15 15:00:00"}).scalar() == 0


# ---------------------------------------------------------------------------------------------------- the wave

COSTS = Costs(worker=0.0003, database=0.0001)


def test_a_wave_on_one_machine_takes_the_time_of_its_cores() -> None:
    answer = simulate(Wave(20_000, database_cores=8), COSTS)
    assert answer.seconds == pytest.approx(20_000 * 0.0003 / 2, rel=0.05)
    assert answer.bottleneck == "workers" and answer.busy["workers"] > 0.95


def test_many_machines_wait_for_the_database() -> None:
    answer = simulate(Wave(200_000, machines=100, database_cores=4), COSTS)
    assert answer.bottleneck == "database"
    assert answer.seconds == pytest.approx(200_000 * 0.0001 / 4, rel=0.1)


def test_a_provider_with_a_rate_bounds_every_wave() -> None:
    for machines in (1, 10):
        answer = simulate(Wave(8_000, machines=machines, rate=80), COSTS)
        assert answer.seconds == pytest.approx(100, rel=0.05)
        assert answer.bottleneck == "provider"


def test_a_slow_provider_is_hidden_by_concurrency() -> None:
    few = simulate(Wave(10_000, latency=0.15, concurrency=20, database_cores=8), COSTS)
    many = simulate(Wave(10_000, latency=0.15, concurrency=200, database_cores=8), COSTS)
    assert few.seconds == pytest.approx(10_000 / (2 * 20 / 0.15), rel=0.1)
    assert many.seconds < few.seconds / 3


def test_more_machines_are_never_slower() -> None:
    taken = [simulate(Wave(50_000, machines=count, database_cores=4), COSTS).seconds for count in (1, 2, 4, 8, 16)]
    assert all(later <= sooner * 1.01 for sooner, later in pairwise(taken))


def test_the_command_of_the_wave_answers_from_recorded_results() -> None:
    said = wave.answer(["--messages", "200k", "--machines", "1,10", "--rate", "80"], RECORDED)
    assert said.count("\n") == 2 and "41:40" in said


def test_the_wave_says_what_to_run_when_nothing_was_measured(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="python -m benchmarks --only email"):
        wave.answer(["--messages", "1k"], tmp_path)
