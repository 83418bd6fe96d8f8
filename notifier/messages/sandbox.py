"""The Jinja environment templates live in: values in, text out, and no way to do anything else."""

import re
from collections.abc import Callable, Mapping

from jinja2 import FunctionLoader, StrictUndefined, UndefinedError
from jinja2.exceptions import SecurityError
from jinja2.runtime import BlockReference, Context, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

_BUILT_IN_FILTERS = (
    "capitalize",
    "default",
    "e",
    "escape",
    "first",
    "join",
    "last",
    "length",
    "lower",
    "trim",
    "upper",
)

_TEXT_BEFORE_LAST_TAG = re.compile(
    r"^(?P<line>(?![ \t]*(?:\{%(?:(?!%\}).)*%\}[ \t]*)+$).*[^-+\n])%\}[ \t]*$", re.MULTILINE
)


class TemplateEnvironment(ImmutableSandboxedEnvironment):
    """Missing values are errors, nothing can be called but macros, nothing can be multiplied into gigabytes."""

    intercepted_binops = frozenset({"*", "**", "%"})
    plain_types: frozenset[type] = frozenset()

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:
        raise SecurityError(f"the operator {operator} is not for templates")

    def getattr(self, obj: object, attribute: str) -> object:
        # The sandbox asks a dozen questions of every attribute; our own frozen records need only this one.
        if type(obj) in self.plain_types and not attribute.startswith("_"):
            try:
                return getattr(obj, attribute)
            except AttributeError:
                pass
        return super().getattr(obj, attribute)

    def call(self, context: Context, obj: object, /, *args: object, **named: object) -> object:
        # Jinja's own sentence would print the object, and with it perhaps a person.
        if not self.is_safe_callable(obj):
            raise SecurityError("templates call nothing; use a filter")
        return super().call(context, obj, *args, **named)

    def is_safe_callable(self, obj: object) -> bool:
        return isinstance(obj, (Macro, BlockReference))


def build_environment(
    files: Mapping[str, tuple[str, str]],
    filters: Mapping[str, Callable[..., str]],
    plain_types: frozenset[type],
) -> TemplateEnvironment:
    """An environment over `files`: from a template's path to its text and the name that errors show.

    A template is compiled when it is first asked for, and once. `plain_types` are frozen records whose public
    attributes are all harmless.
    """

    def load(path: str) -> tuple[str, str, Callable[[], bool]] | None:
        found = files.get(path)
        return None if found is None else (keep_line_ends(found[0]), found[1], lambda: True)

    environment = TemplateEnvironment(
        loader=FunctionLoader(load),
        undefined=StrictUndefined,
        autoescape=lambda path: path is not None and path.endswith(".html"),
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        cache_size=-1,
        auto_reload=False,
    )
    environment.plain_types = plain_types
    environment.globals.clear()
    environment.filters = {name: environment.filters[name] for name in _BUILT_IN_FILTERS}
    environment.filters.update(filters)
    environment.filters["linked"] = linked
    return environment


def keep_line_ends(text: str) -> str:
    """The template with its lines as its writer sees them.

    Jinja drops the line break after any tag, so that lines with nothing but tags leave no hole; a line of text that
    happens to end in a tag would be glued to the next. The plus sign tells Jinja to keep that line break.
    """
    return _TEXT_BEFORE_LAST_TAG.sub(r"\g<line>+%}", text)


def finalize(value: object) -> object:
    """What is about to be printed: never "None", never a line break or an invisible sign out of the register.

    A value that could begin a new line could begin a new header, table row or link.
    """
    if value is None:
        raise UndefinedError("a value is missing")
    if type(value) is str and not value.isprintable():
        return one_line(value)
    return value


def one_line(value: str) -> str:
    """The text on one line: white space of any kind becomes one space, signs that only steer the display go."""
    spaced = " ".join(value.split())
    if spaced.isprintable():
        return spaced
    visible = "".join(character if character.isprintable() else _unprintable(character) for character in spaced)
    return " ".join(visible.split())


def linked(text: str, addresses: tuple[str, ...]) -> Markup:
    """The text escaped for HTML, with links on these addresses only: what a name says never becomes a link."""
    html = escape(text)
    if "https://" not in text:
        return html
    for address in sorted({each for each in addresses if each.startswith("https://")}, key=len, reverse=True):
        shown = escape(address)
        if shown in html and f'href="{shown}' not in html:
            anchor = Markup('<a href="{}" class="link" style="color:#1d4f91">{}</a>').format(address, address)
            html = html.replace(shown, anchor)
    return html


def _unprintable(character: str) -> str:
    return " " if character.isspace() or character < " " else ""
