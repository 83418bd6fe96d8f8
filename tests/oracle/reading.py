"""A rule's YAML read into plain dicts with regular expressions: no line of the engine's own reader is used."""

import re
from datetime import date, time
from typing import Any

import yaml

Plain = dict[str, Any]

UNIT = r"(?P<unit>working day|minute|hour|day|week|month|year)s?"
LENGTH = rf"(?P<count>\d+) {UNIT}"
#: What a case rule's `correction` is when it says nothing, and a permit rule's (S48, S54).
CORRECTION = {"permit": (10, "day"), "case": (1, "hour")}

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def read_rule(text: str) -> Plain:
    """One rule: defaults filled in, steps in the order of the file."""
    raw = yaml.load(text, Loader=yaml.BaseLoader)
    rule: Plain = {
        "name": raw["rule"],
        "for": raw["for"],
        "when": conditions(raw.get("when", {})),
        "unless": conditions(raw.get("unless", {})),
        "while": listed(raw.get("while", [])),
        "deadline": deadline(raw["deadline"]) if "deadline" in raw else None,
        "anniversary": anniversary(raw["anniversary"]) if "anniversary" in raw else None,
        "correction": length(raw["correction"]) if "correction" in raw else CORRECTION[raw["for"]],
        "enabled": raw.get("enabled", "yes") == "yes",
        "from": date.fromisoformat(raw["from"]) if "from" in raw else None,
        "until": date.fromisoformat(raw["until"]) if "until" in raw else None,
        "offices": [],
        "not offices": [],
    }
    offices = raw.get("offices", [])
    if isinstance(offices, dict):
        rule["not offices"] = listed(offices["not"])
    else:
        rule["offices"] = listed(offices)
    rule["steps"] = [step(name, place, own, raw) for place, (name, own) in enumerate(raw["steps"].items())]
    return rule


def step(name: str, order: int, own: Plain, rule: Plain) -> Plain:
    """One step; what it does not say its rule says for it. Conditions are its own, the rule's are asked as well."""

    def setting(key: str, otherwise: Any = None) -> Any:
        return own.get(key, rule.get(key, otherwise))

    slots = digest(setting("digest"))
    at = setting("time") or (slots and slots["at"].isoformat("minutes"))  # S23, amended
    policy, within = late(setting("late", "newest"))
    return {
        "name": name,
        "order": order,
        "send": moment(own["send"]),
        "to": listed(setting("to")),
        "time": time.fromisoformat(at) if at else None,
        "digest": slots,
        "closed": setting("closed"),
        "late": policy,
        "within": within,
        "urgent": setting("urgent", "no") == "yes",
        "enabled": own.get("enabled", "yes") == "yes",
        "when": conditions(own.get("when", {})),
        "unless": conditions(own.get("unless", {})),
        "only after": own.get("only after"),
        "at most": int(own["at most"]) if "at most" in own else None,
    }


def digest(text: str | None) -> Plain | None:
    """Its time, and its day of the week counted from Monday as 0; None: every day."""
    if text is None:
        return None
    found = re.fullmatch(r"(?:daily|weekly on (?P<day>\w+)) at (?P<at>\d\d:\d\d)", text)
    assert found, text
    return {"at": time.fromisoformat(found["at"]), "weekday": WEEKDAYS.index(found["day"]) if found["day"] else None}


def listed(value: str | list[str]) -> list[str]:
    """A word, or a list of words."""
    return [value] if isinstance(value, str) else list(value)


def length(text: str) -> tuple[int, str]:
    """Count and unit in the singular."""
    found = re.fullmatch(LENGTH, text)
    assert found, text
    return int(found["count"]), found["unit"]


def late(text: str) -> tuple[str, tuple[int, str] | None]:
    """The policy and how long after the moment."""
    policy, _, rest = text.partition(" within ")
    return policy, length(rest) if rest else None


def anchor(text: str) -> tuple[str, int | None]:
    """The word counted from, with the age behind `holder turns`."""
    found = re.fullmatch(r"holder turns (\d+)", text)
    return ("holder turns", int(found[1])) if found else (text, None)


def place(text: str) -> Plain:
    """A point: an anchor, a length before or after one, or the last working day before one."""
    if found := re.fullmatch(r"last working day before (.+)", text):
        return {"kind": "last", "anchor": anchor(found[1])}
    if found := re.fullmatch(rf"{LENGTH} (?P<side>before|after) (?P<anchor>.+)", text):
        sign = -1 if found["side"] == "before" else 1
        counted = int(found["count"]), found["unit"]
        return {"kind": "offset", "length": counted, "sign": sign, "anchor": anchor(found["anchor"])}
    return {"kind": "on", "anchor": anchor(text)}


def moment(text: str) -> Plain:
    """When a step speaks."""
    if text == "at once":
        return {"kind": "at once"}
    if found := re.fullmatch(r"halfway to (.+)", text):
        return {"kind": "halfway", "anchor": anchor(found[1])}
    if found := re.fullmatch(r"when (.+?) moves( earlier)?", text):
        return {"kind": "moves", "anchor": anchor(found[1]), "earlier": bool(found[2])}
    if found := re.fullmatch(rf"every (?:(?P<count>\d+) )?{UNIT} from (?P<start>.+) until (?P<end>.+)", text):
        period = int(found["count"] or 1), found["unit"]
        return {"kind": "every", "period": period, "start": place(found["start"]), "end": place(found["end"])}
    if found := re.fullmatch(r"(on|when) (.+)", text):
        return {"kind": "on", "anchor": anchor(found[2]), "event": found[1] == "when"}
    return place(text)


def deadline(text: str) -> Plain:
    """A place, perhaps with a time of that day."""
    point, _, at = text.partition(" at ")
    return {
        "place": place(point),
        "at": time.fromisoformat(at) if at and at != "closing time" else None,
        "closing": at == "closing time",
    }


def anniversary(text: str) -> Plain:
    """How often, and counted from what."""
    found = re.fullmatch(rf"every {LENGTH} after (?P<noun>.+)", text)
    assert found, text
    return {"length": (int(found["count"]), found["unit"]), "from": found["noun"]}


def conditions(raw: Plain) -> list[tuple[str, Any]]:
    """(field or group, test) in the order of the file; members of groups are read the same way."""
    found: list[tuple[str, Any]] = []
    for key, value in raw.items():
        if key in ("any", "all", "none"):
            found.append((key, [conditions(member) for member in value]))
        elif key in ("holder has", "holder has no"):
            found.append((key, conditions(value)))
        else:
            found.append((key, value))
    return found
