"""Files of tests played: in processes side by side, answered in the order in which they are written."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from multiprocessing import get_context
from pathlib import Path

from notifier.config import Settings
from notifier.errors import ConfigError, Fault, FaultsFound, NotifierError
from notifier.model import SubjectKind
from notifier.rehearsal.answers import Asked, Said
from notifier.rehearsal.compare import Line, lines, pair, question_about, question_of, silence_line
from notifier.rehearsal.coverage import Coverage, LineOf, StepOf, cover, silenced
from notifier.rehearsal.play import Play, Played
from notifier.rehearsal.read import read_script
from notifier.rehearsal.script import Scene, Script
from notifier.rehearsal.stage import Stage, Theatre
from notifier.rehearsal.tally import Left
from notifier.rules.conditions import words_asked
from notifier.rules.rule import Rule, RuleSet

#: Where an office keeps its tests, beside its rules.
FOLDER = "tests"
#: Fewer tests than this are played in this process: another one needs a second to begin.
WORTH_ANOTHER_PROCESS = 12


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one test. `trouble` says why it could not be played to its end."""

    name: str
    file: str
    line: int
    lines: tuple[Line, ...] = ()
    trouble: str | None = None
    is_written: bool = True  # it says which messages it expects
    left: tuple[Left, ...] = ()
    steps: frozenset[StepOf] = frozenset()
    silenced: frozenset[LineOf] = frozenset()

    @property
    def passed(self) -> bool:
        """Whether everything was as expected."""
        return self.trouble is None and self.is_written and not any(line.is_fault for line in self.lines)


@dataclass(frozen=True, slots=True)
class Report:
    """What came of all tests, in the order of files and lines."""

    results: tuple[Result, ...]
    coverage: Coverage

    @property
    def failed(self) -> int:
        """How many tests failed."""
        return sum(not one.passed for one in self.results)


def find_files(paths: Sequence[Path], rules: Path) -> list[Path]:
    """The files of tests under these paths; of a folder of rules those in its folder of tests.

    Raises ConfigError when there is none.
    """
    found: dict[Path, None] = {}
    for path in paths or [rules]:
        folder = path / FOLDER if (path / FOLDER).is_dir() else path
        files = sorted(folder.glob("*.yaml")) if folder.is_dir() else [path]
        found |= dict.fromkeys(files if folder != rules else ())
    if not found:
        raise ConfigError(f"there are no tests at {', '.join(map(str, paths or [rules / FOLDER]))}; write one there")
    return list(found)


def read_scripts(files: Sequence[Path], rules: RuleSet) -> list[Script]:
    """The files read. Raises FaultsFound with every fault of every file."""
    scripts: list[Script] = []
    faults: list[Fault] = []
    for file in files:
        script, found = read_script(file, rules)
        faults += found
        scripts += [script] if script is not None else []
    if faults:
        raise FaultsFound(faults)
    return scripts


def rehearse(
    settings: Settings, rules: RuleSet, scripts: Sequence[Script], *, only: str = "", processes: int = 2
) -> Report:
    """Play the tests whose name, file or rule has `only` in it. Raises ConfigError when there is none."""
    work = [(script, scene) for script in scripts for scene in script.scenes if _is_wanted(script, scene, only)]
    if not work:
        raise ConfigError(f'no test has "{only}" in its name, its file or its rule' if only else "there are no tests")
    processes = min(processes, len(work) // WORTH_ANOTHER_PROCESS + 1)
    if processes == 1:
        results = play_all(settings, work)
    else:
        parts = [work[number::processes] for number in range(processes)]
        # Not forked: a copy of a process with threads may wait for one that was not copied.
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            results = list(chain(*pool.map(play_all, [settings] * processes, parts)))
    order = {(scene.file, scene.line): place for place, (_, scene) in enumerate(work)}
    results.sort(key=lambda one: order[one.file, one.line])
    played = {id(script): script for script, _ in work}.values()
    return Report(tuple(results), _coverage(rules, list(played), results))


def _is_wanted(script: Script, scene: Scene, only: str) -> bool:
    said = " ".join((scene.name, Path(scene.file).stem, *script.rules))
    return only.casefold() in said.casefold()


def _coverage(rules: RuleSet, scripts: Sequence[Script], results: Sequence[Result]) -> Coverage:
    on = {
        (rule.name, step.name)
        for script in scripts
        for rule in switched_on(rules, script).rules
        if rule.name in script.rules and rule.enabled
        for step in rule.steps
        if step.enabled
    }
    return cover(
        rules,
        [name for script in scripts for name in script.rules],
        on,
        [step for one in results for step in one.steps],
        [line for one in results for line in one.silenced],
    )


# ------------------------------------------------------------------------------------------------ one process


def play_all(settings: Settings, work: Sequence[tuple[Script, Scene]]) -> list[Result]:
    """Play tests one after the other in this process."""
    theatre = Theatre(settings)
    try:
        return [play_one(theatre, script, scene) for script, scene in work]
    finally:
        theatre.close()


def play_one(theatre: Theatre, script: Script, scene: Scene) -> Result:
    """Play one test and compare; a second time when something is missing, to ask for the reason at that instant."""
    rules = cast(switched_on(theatre.rules, script), script, scene)
    asked = [question_of(one, scene.ends) for one in scene.silences]
    ending = [Asked(scene.ends, name, None, None) for name in script.rules]
    try:
        played = _play(theatre, rules, scene, [*asked, *ending])
        left = [one for one in played.left if one.rule in script.rules]
        pairs = pair(scene.messages or (), left) if scene.messages is not None else []
        said: Mapping[Asked, Sequence[Said]] = played.said
        missing = [question_about(one.expected) for one in pairs if one.expected is not None and one.got is None]
        if missing:
            said = {**said, **_play(theatre, rules, scene, missing).said}
    except NotifierError as error:
        return Result(scene.name, scene.file, scene.line, trouble=str(error))
    found = lines(scene, pairs, said, many=len(script.rules) > 1)
    found += [silence_line(scene, one, left, said) for one in scene.silences]
    if scene.work_items is not None:
        found.append(_work_line(scene.work_items, played))
    under_test = [rule for rule in rules.rules if rule.name in script.rules]
    return Result(
        name=scene.name,
        file=scene.file,
        line=scene.line,
        lines=tuple(found),
        is_written=scene.messages is not None,
        left=tuple(left),
        steps=frozenset(step for one in played.left for step in {(one.rule, one.step), *one.along}),
        silenced=frozenset(
            line
            for rule in under_test
            for line in silenced(rule, said.get(Asked(scene.ends, rule.name, None, None), ()))
        ),
    )


def _play(theatre: Theatre, rules: RuleSet, scene: Scene, questions: Sequence[Asked]) -> Played:
    return Play(Stage(theatre, rules, scene), scene, questions).run()


def _work_line(expected: Sequence[str], played: Played) -> Line:
    mine, theirs = (", ".join(kinds) or "none" for kinds in (expected, played.work_items))
    return Line("", f"work items: {mine}", theirs, mine != theirs)


def switched_on(rules: RuleSet, script: Script) -> RuleSet:
    """The rules with those under test switched on, if the file says so."""
    if not script.switched_on:
        return rules

    def on(rule: Rule) -> Rule:
        steps = tuple(replace(step, enabled=step.enabled or step.name in script.steps_on) for step in rule.steps)
        return replace(rule, enabled=True, steps=steps) if rule.name in script.rules else rule

    return replace(rules, rules=tuple(on(rule) for rule in rules.rules))


def cast(rules: RuleSet, script: Script, scene: Scene) -> RuleSet:
    """The rules that can say something in a test: those under test, and all that its permits and cases can concern.

    What is left out would answer "not concerned" at every instant; leaving it out only makes the play faster.
    """
    everything = scene.registered
    types = {str(one.values["type"]) for what in everything for one in what.permits if "type" in one.values}
    services = {str(one.values["service"]) for what in everything for one in what.cases if "service" in one.values}

    def concerned(rule: Rule) -> bool:
        word, present = ("type", types) if rule.subject is SubjectKind.PERMIT else ("service", services)
        asked = words_asked(rule.when, word)
        return bool(present) and (asked is None or bool(present & set(asked)))

    return replace(rules, rules=tuple(one for one in rules.rules if one.name in script.rules or concerned(one)))
