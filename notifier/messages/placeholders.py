"""What a template asks for, read from its syntax tree: dotted names with their places, followed into the facts."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from difflib import get_close_matches
from functools import cache
from types import NoneType, UnionType
from typing import Union, get_args, get_origin, get_type_hints

from jinja2 import nodes

from notifier.messages.facts import NAMES, MessageFacts

#: Names that Jinja itself brings, inside loops and macros.
_OF_JINJA = frozenset({"loop", "caller", "varargs", "kwargs"})


@dataclass(frozen=True, slots=True)
class Placeholder:
    """`document.expires_on`, and the line it stands on."""

    path: str
    line: int


def placeholders(tree: nodes.Template) -> list[Placeholder]:
    """Every name a template takes from outside, with all its attributes; names it made itself are left out.

    A loop's own variable is given back as what it runs over, `others[]`, so that its attributes can be followed.
    """
    names = list(tree.find_all(nodes.Name))
    outside = (
        {each.name for each in names if each.ctx == "load"}
        - {each.name for each in names if each.ctx != "load"}
        - _OF_JINJA
    )
    loops = {
        loop.target.name: _path(loop.iter)
        for loop in tree.find_all(nodes.For)
        if isinstance(loop.target, nodes.Name) and _path(loop.iter)
    }
    return [Placeholder(path, line) for line, path in sorted(set(_walk(tree, outside, loops)))]


def _walk(node: nodes.Node, outside: set[str], loops: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    path = _path(node) if isinstance(node, (nodes.Name, nodes.Getattr)) else ""
    if path:
        path = _unlooped(path, loops)
        if path.partition(".")[0].removesuffix("[]") in outside:
            yield node.lineno, path
        return
    for child in node.iter_child_nodes():
        yield from _walk(child, outside, loops)


def _unlooped(path: str, loops: Mapping[str, str]) -> str:
    """The path with loop variables replaced by what they run over, loops within loops included."""
    for _ in loops:
        root, _, rest = path.partition(".")
        if root.removesuffix("[]") not in loops:
            break
        ending = root[len(root.removesuffix("[]")) :]
        path = ".".join(filter(None, (f"{loops[root.removesuffix('[]')]}[]{ending}", rest)))
    return path


def _path(node: nodes.Node) -> str:
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        inner = _path(node.node)
        return f"{inner}.{node.attr}" if inner else ""
    return ""


def unknown(path: str, extra: frozenset[str] = frozenset()) -> str | None:
    """None when the facts have this name; else a sentence with the nearest right one."""
    root, *attributes = path.split(".")
    if root.removesuffix("[]") in extra:
        return None
    if root.removesuffix("[]") not in NAMES:
        return f"no fact is called {root!r}{nearest(root, NAMES)}"
    shape: object = MessageFacts
    for attribute in [root, *attributes]:
        name = attribute.removesuffix("[]")
        if not isinstance(shape, type) or not is_dataclass(shape):
            return (
                None if hasattr(shape, name) and not name.startswith("_") else f"{path!r}: a value has no part {name!r}"
            )
        known = _parts(shape)
        if name not in known:
            return f"{path!r}: there is no {name!r} here{nearest(name, known)}"
        shape = _inner(known[name], looped=attribute.endswith("[]"))
    return None


def missing(tree: nodes.Template, line: int, names: Mapping[str, object]) -> list[str]:
    """Which placeholders of a line have no value in these facts: for the text of an error, names only."""
    return [each.path for each in placeholders(tree) if each.line == line and _is_missing(each.path, names)]


def _is_missing(path: str, names: Mapping[str, object]) -> bool:
    if "[]" in path:
        return False
    root, *attributes = path.split(".")
    value = names.get(root)
    for attribute in attributes:
        value = getattr(value, attribute, None)
    return value is None


@cache
def _parts(shape: type) -> Mapping[str, object]:
    own = {
        name: getattr(value.fget, "__annotations__", {}).get("return")
        for name, value in vars(shape).items()
        if isinstance(value, property)
    }
    return {**get_type_hints(shape), **own}


def _inner(hint: object, *, looped: bool) -> object:
    if get_origin(hint) in (Union, UnionType):
        hint = next(each for each in get_args(hint) if each is not NoneType)
    if looped and get_origin(hint) is tuple:
        return get_args(hint)[0]
    return get_origin(hint) or hint


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the nearest known one, or all of them."""
    known = sorted(known)
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"
