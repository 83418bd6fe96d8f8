"""JSON Schemas (draft-07) of the files of a rules folder, for editors that complete, explain and underline."""

from collections.abc import Callable, Mapping
from typing import Any

from notifier.model import SubjectKind
from notifier.rules.fields import FIELDS
from notifier.rules.forms import (
    NAME,
    RULE_FORM,
    STEP_FORM,
    WINDOW_FORM,
    Anything,
    Form,
    FreeText,
    Lines,
    Phrase,
    Recipients,
    Steps,
    Words,
    form_of_test,
)
from notifier.rules.grammar import EXAMPLES, LARGEST_NUMBER
from notifier.rules.pattern import pattern
from notifier.rules.translate import spelled, translated_phrase
from notifier.rules.vocabulary import ATTRIBUTES, DESK, VOCABULARY, Language, Part
from notifier.rules.words import REQUIRED_KEYS, listed

Schema = dict[str, Any]

_DRAFT = "http://json-schema.org/draft-07/schema#"
_COMPARISONS = ("at least", "at most", "less than", "more than")
#: Phrases that may be a bare number, which an editor's YAML reads as one; with the least of them.
_BARE_NUMBERS = {"number test": 0, "count": 1}
#: A word of the office's own; YAML reads some of them as numbers.
_OWN_WORD: Schema = {"type": ["string", "number"], "minLength": 1}
_OTHERS = "lines-of-another-permit"


def rule_schema(language: Language = Language.ENGLISH) -> Schema:
    """The schema of rules/NAME.yaml, as it is written in that language."""
    return _Writer(language).rule()


def windows_schema(language: Language = Language.ENGLISH) -> Schema:
    """The schema of rules/windows.yaml; it is written in English in every office."""
    return _Writer(Language.ENGLISH).windows()


#: What `notifier rules schema --for` knows.
SCHEMAS: Mapping[str, Callable[[Language], Schema]] = {"rules": rule_schema, "windows": windows_schema}


class _Writer:
    """Writes one schema; phrases and lines that stand in several places are definitions."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._definitions: dict[str, Schema] = {}

    def rule(self) -> Schema:
        """A whole rule; the fields that `when` may ask depend on what the rule is for."""
        return {
            "$schema": _DRAFT,
            "title": "A rule of the reminder engine",
            "type": "object",
            "required": [self._key(key) for key in REQUIRED_KEYS],
            "properties": self._properties(RULE_FORM),
            "additionalProperties": False,
            "allOf": [self._lines_for(kind) for kind in SubjectKind],
            "definitions": self._definitions,
        }

    def windows(self) -> Schema:
        """Windows per document type, and per office where one differs."""
        properties = self._properties(WINDOW_FORM, Part.WINDOW_KEY)
        window = {"type": "object", "properties": properties, "additionalProperties": False, "minProperties": 1}
        self._definitions["window"] = {**window, "required": list(properties)}
        self._definitions["lines-of-a-window"] = window
        office = {"type": "object", "additionalProperties": _reference("lines-of-a-window")}
        return {
            "$schema": _DRAFT,
            "title": "When documents may be extended",
            "type": "object",
            "properties": {
                "offices": {
                    "description": _meaning(Part.WINDOW_KEY, "offices"),
                    "type": "object",
                    "additionalProperties": office,
                }
            },
            "additionalProperties": _reference("window"),
            "definitions": self._definitions,
        }

    # ------------------------------------------------------------------------------------------ keys

    def _key(self, english: str, part: Part = Part.KEY) -> str:
        return spelled(part, english, self._language)

    def _properties(self, forms: Mapping[str, Form], part: Part = Part.KEY) -> Schema:
        return {
            self._key(key, part): {"description": _meaning(part, key), **self._form(form)}
            for key, form in forms.items()
        }

    def _form(self, form: Form) -> Schema:
        match form:
            case Phrase(name, is_list):
                return self._phrases(name) if is_list else self._phrase(name)
            case Words():
                return self._words(form)
            case FreeText():
                return {"type": "string", "minLength": 1}
            case Recipients():
                return self._recipients()
            case Lines():
                return {"type": "object"}  # its fields: `_lines_for`
            case Steps():
                return self._steps()
            case Anything():
                return self._anything()

    def _steps(self) -> Schema:
        send = self._key("send")
        self._definitions["step"] = {
            "type": "object",
            "required": [send],
            "properties": self._properties(STEP_FORM),
            "additionalProperties": False,
            "defaultSnippets": [
                {"label": f"{send}: {phrase}", "body": {send: phrase}} for phrase in self._examples("moment")[:4]
            ],
        }
        return {
            "type": "object",
            "minProperties": 1,
            "propertyNames": _named("the name of a step is written with small letters, digits and -"),
            "additionalProperties": _reference("step"),
            "defaultSnippets": [
                {"label": "a step", "body": {"${1:one-week}": {send: f"${{2:{self._examples('moment')[0]}}}"}}}
            ],
        }

    # --------------------------------------------------------------------------------------- phrases

    def _phrase(self, name: str) -> Schema:
        key = name.replace(" ", "-")
        if key not in self._definitions:
            least = _BARE_NUMBERS.get(name)
            bounds = {} if least is None else {"minimum": least, "maximum": LARGEST_NUMBER}
            self._definitions[key] = {
                "type": "string" if least is None else ["string", "integer"],
                **self._pattern(name),
                **bounds,
                "defaultSnippets": [{"label": example, "body": example} for example in self._examples(name)],
            }
        return _reference(key)

    def _phrases(self, name: str) -> Schema:
        """One phrase or a list of them; a pattern speaks of texts only, `items` of lists only."""
        items = self._phrase(name)
        snippets = self._definitions[name]["defaultSnippets"]
        return {
            "type": ["string", "array"],
            **self._pattern(name),
            "items": items,
            "minItems": 1,
            "defaultSnippets": [*snippets, {"label": "a ladder", "body": self._ladder()}],
        }

    def _ladder(self) -> list[str]:
        first, _, last = self._examples("rung")
        return [first, last]

    def _pattern(self, name: str) -> Schema:
        return {
            "pattern": pattern(name, self._language),
            "patternErrorMessage": f"this is no {name} of the language; write it like "
            f"{listed(self._examples(name), most=3)}",
        }

    def _examples(self, name: str) -> list[str]:
        return [translated_phrase(name, phrase, self._language) for phrase in EXAMPLES[name]]

    # ----------------------------------------------------------------------------------------- words

    def _words(self, form: Words) -> Schema:
        one = self._word(form)
        if not (form.is_list or form.may_exclude):
            return one
        several = {"type": "array", "items": one, "minItems": 1, "uniqueItems": True}
        ways = [one, several]
        if form.may_exclude:
            ways.append(self._none_of({"anyOf": [one, several]}))
        return {"anyOf": ways}

    def _none_of(self, words: Schema) -> Schema:
        key = self._key("not", Part.GROUP)
        return {"type": "object", "properties": {key: words}, "required": [key], "additionalProperties": False}

    def _word(self, form: Words) -> Schema:
        if form.part is not None:
            return {"type": "string", "enum": [word.spelling(self._language) for word in form.rows]}
        if form.pattern is not None:
            message = "this is written with small letters, digits and - (templates with / as well)"
            return {"type": "string", "pattern": f"^{form.pattern}$", "patternErrorMessage": message}
        return _OWN_WORD

    def _recipients(self) -> Schema:
        desk = "[a-z][a-z0-9-]*(?: [a-z0-9-]+)*"
        word = DESK[self._language]
        named = f"{desk} {word}" if self._language is Language.ENGLISH else f"{word} {desk}"
        one = {
            "anyOf": [
                {"enum": [row.spelling(self._language) for row in VOCABULARY[Part.RECIPIENT]]},
                {"type": "string", "pattern": f"^{named}$", "patternErrorMessage": f'a role, or a place with "{word}"'},
            ]
        }
        return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1, "uniqueItems": True}]}

    def _anything(self) -> Schema:
        """Words are free, but what begins like a comparison or number must be one, and yes is not said "true"."""
        compare = "|".join(spelled(Part.TEST, one, self._language) for one in _COMPARISONS)
        free = f"^(?!(?:true|false)$)(?!(?:{compare}) )(?![0-9]+$).+$"
        self._definitions["own-column"] = {
            **self._none_of({"anyOf": [_OWN_WORD, {"type": "array", "items": _OWN_WORD, "minItems": 1}]}),
            "type": ["string", "number", "array", "object"],
            "pattern": f"{pattern('number test', self._language)}|{free}",
            "patternErrorMessage": "write a word, a number or comparison, yes, no, exists or missing",
            "items": _OWN_WORD,
            "minItems": 1,
        }
        return _reference("own-column")

    # ------------------------------------------------------------------------------------ conditions

    def _lines_for(self, kind: SubjectKind) -> Schema:
        """If the rule is for that kind of subject, then these are the fields of its conditions."""
        lines = self._lines(f"lines-of-a-{kind}", kind)
        conditions = {self._key(key): lines for key in ("when", "unless")}
        told = {self._key("for"): {"const": spelled(Part.SUBJECT, kind, self._language)}}
        step = {"type": "object", "properties": conditions}
        return {
            "if": {"properties": told, "required": list(told)},
            "then": {"properties": {**conditions, self._key("steps"): {"additionalProperties": step}}},
        }

    def _lines(self, name: str, kind: SubjectKind, *, is_other: bool = False) -> Schema:
        if name in self._definitions:
            return _reference(name)
        self._definitions[name] = {}  # stands, so that groups inside can name it
        fields = [field for field in FIELDS.values() if kind in field.subjects and (not is_other or field.is_of_others)]
        properties = {
            field.label(self._language): {
                "description": _meaning(Part.FIELD, field.name),
                **self._form(form_of_test(field)),
            }
            for field in fields
        }
        attributes = ATTRIBUTES[self._language].replace(".", "[.]")
        self._definitions[name] = {
            "type": "object",
            "minProperties": 1,
            "properties": properties | self._groups(name, is_other=is_other),
            "patternProperties": {f"^{attributes}.+$": self._anything()},
            "additionalProperties": False,
        }
        return _reference(name)

    def _groups(self, name: str, *, is_other: bool) -> Schema:
        alternatives = {"type": "array", "minItems": 1, "items": _reference(name)}
        groups: Schema = dict.fromkeys(("any", "all", "none"), alternatives)
        if not is_other:
            others = self._lines(_OTHERS, SubjectKind.PERMIT, is_other=True)
            groups |= dict.fromkeys(("holder has", "holder has no"), others)
        return {
            self._key(key, Part.GROUP): {"description": _meaning(Part.GROUP, key), **inner}
            for key, inner in groups.items()
        }


def _reference(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _meaning(part: Part, english: str) -> str:
    return next(word.meaning for word in VOCABULARY[part] if word.english == english)


def _named(message: str) -> Schema:
    return {"pattern": f"^{NAME}$", "patternErrorMessage": message}
