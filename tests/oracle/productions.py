"""The productions of the grammar (docs/language.md), each with a pattern that finds it in the text of a rule."""

import re
from functools import cache

NOUNS = (
    *("expiry", "issue", "arrival", "departure deadline", "recommended day", "anniversary", "submission", "payment"),
    *("payment deadline", "documents deadline", "appointment", "service deadline", "collection deadline", "closing"),
)
EVENTS = ("window opens", "window closes", "state begins", r"holder turns \d+")
UNITS = ("minute", "hour", "day", "working day", "week", "month", "year")
RECIPIENTS = ("holder", "sponsor", "guardian", "agent", "payer", "officer", "front desk")
FIELDS = {
    "yes or no": ("extendable",),
    "choice": ("type", "status", "origin", "case.service", "case.state", "state", "service", "holder.nationality"),
    "word": ("holder.language", "holder.kind", "attributes.color"),
    "number": ("extensions left", "stay left", "holder.age", "attributes.floor"),
    "length": ("payment time",),
    "day": (*NOUNS[:5], "documents deadline", "service deadline", "collection deadline"),
    "instant": ("submission", "payment", "payment deadline", "appointment", "closing"),
    "presence": ("open case", "survey answer", "sponsor", "guardian", "agent", "payer", "officer"),
}
OPERATORS = ("at least", "at most", "less than", "more than")
END = r"(?=$| until | at )"

PRODUCTIONS = {
    "moment: at once": r"send: at once",
    "moment: on": r"send: on ",
    "moment: when": r"send: when (window|holder|state)",
    "moment: moves": r"send: when .* moves$",
    "moment: moves earlier": r"send: when .* moves earlier$",
    "moment: before": r"send: \d+ .* before ",
    "moment: after": r"send: \d+ .* after ",
    "moment: last working day before": r"send: last working day before ",
    "moment: halfway to": r"send: halfway to ",
    "moment: every": r"send: every [a-z ]+ from .* until ",
    "moment: every N": r"send: every \d+ [a-z ]+ from .* until ",
    **{f"anchor: {one}": rf"(before|after|on|to|from|until|when|deadline:) {one}{END}" for one in (*NOUNS, *EVENTS)},
    "anchor: deadline": rf"(before|after|on|to|from|until) deadline{END}",
    **{f"unit: {one}": rf"\d+ {one}s?\b" for one in UNITS},
    "deadline: anchor": rf"^deadline: ({'|'.join((*NOUNS, *EVENTS))})$",
    "deadline: before": r"^deadline: \d+ .* before ",
    "deadline: after": r"^deadline: \d+ .* after ",
    "deadline: last working day before": r"^deadline: last working day before ",
    "deadline: at TIME": r"^deadline: .* at \d\d:\d\d",
    "deadline: at closing time": r"^deadline: .* at closing time",
    "ladder: one rung": r"via: [a-z]",
    "ladder: rungs": r"via: \[",
    "rung: and": r"via: .* and ",
    "rung: after": r"via: .* after \d",
    **{f"channel: {one}": rf"via: .*\b{one}\b" for one in ("sms", "whatsapp", "email")},
    "digest: daily": r"digest: daily at ",
    "digest: weekly": r"digest: weekly on [a-z]+ at ",
    **{f"late: {one}": rf"late: {one}" for one in ("newest", "send", "fold", "skip")},
    "late: within": r"late: .* within \d",
    "anniversary: years": r"^anniversary: every \d+ years? after ",
    "anniversary: months": r"^anniversary: every \d+ months? after ",
    "limit": r"^limit: \d+ a day",
    "cap": r"^cap: \d+ in \d+ ",
    "correction": r"^correction: \d+ ",
    "while: one state": r"^while: \[?[a-z ]+\]?$",
    "while: states": r"^while: \[.*,",
    "when of a step": r"^    when:",
    "unless": r"^unless:",
    "unless of a step": r"^    unless:",
    "from": r"^from: ",
    "until": r"^until: ",
    "offices: some": r"^offices: \[",
    "offices: not": r"^offices: \{not:",
    **{f"{one} of the rule": rf"^{one}: " for one in ("time", "closed", "late", "urgent", "uncapped")},
    **{f"{one} of a step": rf"^    {one}: " for one in ("time", "closed", "late", "urgent", "to", "enabled")},
    **{one: rf"^    {one}: " for one in ("only after", "at most")},
    **{f"closed: {one}": rf"closed: {one}" for one in ("earlier", "later", "ignore")},
    **{f"to: {one}": rf"to: .*\b{one}\b" for one in RECIPIENTS},
    "to: several": r"to: \[.*,",
    **{f"group: {one}": rf"\b{one}:$" for one in ("any", "all", "none", "holder has", "holder has no")},
    **{f"field: {one}": rf"[ -] {one}: " for names in FIELDS.values() for one in names},
    "test: yes": r"extendable: yes",
    "test: no": r"extendable: no",
    "test: word": r"(status|origin|state|service|color): [a-z]",
    "test: list": r"(status|origin|state|service|nationality|color): \[",
    "test: not word": r"\{not: [a-zA-Z]",
    "test: not list": r"\{not: \[",
    "test: number": r"(left|age|floor): \d",
    **{f"test: number {one}": rf"(left|age|floor): {one} \d" for one in OPERATORS},
    **{f"test: length {one}": rf"payment time: {one} \d" for one in OPERATORS},
    **{f"test: {one}": rf": {one}$" for one in ("exists", "missing", "past")},
    **{f"test: {one} DAY": rf": {one} \d\d\d\d-" for one in ("before", "after")},
    **{f"test: {one}": rf": {one} \d" for one in ("within", "within last", "beyond")},
    "test: ago": r": more than \d+ .* ago$",
}


@cache
def found_in(text: str) -> frozenset[str]:
    """The productions that stand in a rule."""
    return frozenset(name for name, pattern in PRODUCTIONS.items() if re.search(pattern, text, re.MULTILINE))
