"""What is worked out from the same bytes is worked out once for all tests of a process.

Most tests that run a command run it in a folder of their own with a copy of the rules and texts that ship; reading
those anew was half of the work of tests/test_cli.py. Only what has no fault is remembered, by its content alone: a
file that a test has changed, or that has a fault, is read anew each time.

What the planner asks of a span of time follows from rules and calendar alone; the worlds of tests live through the same
days again and again, and working that out was a third of the work of tests/test_story.py.

An engine writes each of its statements in SQL once. Each test opens engines of its own, where a process of the office
has one for its whole life; so here all engines of one kind of database share what they have written.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from notifier import concerned
from notifier.calendar.office import OfficeCalendar
from notifier.errors import Fault
from notifier.messages import checking
from notifier.messages.library import Library
from notifier.messages.templates import Templates
from notifier.rules import load, source
from notifier.rules.compile import Candidates
from notifier.rules.rule import Rule, RuleSet
from notifier.rules.tree import Block
from notifier.store import engine

#: So many sets of rules have their questions remembered, those asked last.
SETS_REMEMBERED = 4
#: So many statements; beyond that all are forgotten.
STATEMENTS_REMEMBERED = 5_000


def remember(patch: pytest.MonkeyPatch) -> None:
    """From now on trees of rules, and the finding that a folder of texts has no fault, are remembered."""
    parse = _parsed_once(source.parse_source)
    patch.setattr(source, "parse_source", parse)
    patch.setattr(load, "parse_source", parse)
    patch.setattr(checking, "static_faults", _faultless_once(checking.static_faults, lambda library: library))
    patch.setattr(checking, "rendering_faults", _faultless_once(checking.rendering_faults, _library_of))
    patch.setattr(concerned, "candidates", _asked_once(concerned.candidates))
    patch.setattr(engine, "create_engine", _sharing_statements(engine.create_engine))


def _parsed_once(parse: Callable[[bytes, str], tuple[Block | None, list[Fault]]]) -> Any:
    known: dict[bytes, Block] = {}

    def parse_source(content: bytes, name: str) -> tuple[Block | None, list[Fault]]:
        if content in known:
            return known[content], []
        tree, faults = parse(content, name)
        if tree is not None and not faults:
            known[content] = tree
        return tree, faults

    return parse_source


def _faultless_once(find: Callable[[Any, Any], list[Fault]], library_of: Callable[[Any], Library]) -> Any:
    known: set[str] = set()

    def find_faults(subject: Any, more: Any) -> list[Fault]:
        content = _content(library_of(subject), more)
        if content in known:
            return []
        faults = find(subject, more)
        if not faults:
            known.add(content)
        return faults

    return find_faults


def _asked_once(ask: Callable[..., list[Candidates]]) -> Any:
    # By the very objects, which do not change: the sets are kept, so that no other one can have their identity.
    known: dict[int, tuple[RuleSet, dict[object, list[Candidates]]]] = {}

    def candidates(
        rule: Rule, calendar: OfficeCalendar, rules: RuleSet, *, after: datetime, until: datetime
    ) -> list[Candidates]:
        kept, questions = known.pop(id(rules), (rules, {}))
        known[id(rules)] = kept, questions
        if len(known) > SETS_REMEMBERED:
            del known[next(iter(known))]
        key = (id(rule), calendar.office.code, calendar.fingerprint, after, until)
        if key not in questions:
            questions[key] = ask(rule, calendar, rules, after=after, until=until)
        return questions[key]

    return candidates


class _Statements:
    """The dictionary that an engine keeps its statements in, without regard to which engine of its kind it is."""

    def __init__(self) -> None:
        self._known: dict[object, Any] = {}

    def get(self, key: tuple[Any, ...]) -> Any:
        return self._known.get((key[0].name, *key[1:]))

    def __setitem__(self, key: tuple[Any, ...], statement: Any) -> None:
        if len(self._known) >= STATEMENTS_REMEMBERED:
            self._known.clear()
        self._known[key[0].name, *key[1:]] = statement


def _sharing_statements(create: Callable[..., Engine]) -> Callable[..., Engine]:
    statements = _Statements()

    def create_engine(url: object, **options: Any) -> Engine:
        made = create(url, **options)
        made.update_execution_options(compiled_cache=statements)
        return made

    return create_engine


def _library_of(templates: Templates) -> Library:
    return templates.library


def _content(library: Library, more: Mapping[str, object] | Sequence[object]) -> str:
    """What a library says, wherever its files lie, and which parts of it are asked about."""
    asked = sorted(more) if isinstance(more, Mapping) else [source.path for source in more]  # type: ignore[attr-defined]
    sources = [replace(one, file="") for one in library.sources]
    shared = sorted((path, text) for path, (text, _) in library.shared.items())
    words = sorted((language, sorted(some.items())) for language, some in library.words.items())
    return hashlib.sha256(repr((asked, sources, shared, words)).encode()).hexdigest()
