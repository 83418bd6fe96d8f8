"""What is worked out from the same bytes is worked out once for all tests of a process.

Most tests that run a command run it in a folder of their own with a copy of the rules and texts that ship; reading
those anew was half of the work of tests/test_cli.py. Only what has no fault is remembered, by its content alone: a
file that a test has changed, or that has a fault, is read anew each time.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from notifier.errors import Fault
from notifier.messages import checking
from notifier.messages.library import Library
from notifier.messages.templates import Templates
from notifier.rules import load, source
from notifier.rules.tree import Block


def remember(patch: pytest.MonkeyPatch) -> None:
    """From now on trees of rules, and the finding that a folder of texts has no fault, are remembered."""
    parse = _parsed_once(source.parse_source)
    patch.setattr(source, "parse_source", parse)
    patch.setattr(load, "parse_source", parse)
    patch.setattr(checking, "static_faults", _faultless_once(checking.static_faults, lambda library: library))
    patch.setattr(checking, "rendering_faults", _faultless_once(checking.rendering_faults, _library_of))


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


def _library_of(templates: Templates) -> Library:
    return templates.library


def _content(library: Library, more: Mapping[str, object] | Sequence[object]) -> str:
    """What a library says, wherever its files lie, and which parts of it are asked about."""
    asked = sorted(more) if isinstance(more, Mapping) else [source.path for source in more]  # type: ignore[attr-defined]
    sources = [replace(one, file="") for one in library.sources]
    shared = sorted((path, text) for path, (text, _) in library.shared.items())
    words = sorted((language, sorted(some.items())) for language, some in library.words.items())
    return hashlib.sha256(repr((asked, sources, shared, words)).encode()).hexdigest()
