"""WhatsApp templates: the approved text, the provider's name for it, and what its numbered gaps are filled with."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from notifier.errors import Fault
from notifier.yaml_faults import fault_of_yaml

LONGEST_BODY = 1024
#: Faster where libyaml was there when PyYAML was built.
YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_GAP = re.compile(r"\{\{\s*(\d+)\s*\}\}")
_SID = re.compile(r"HX[0-9a-f]{32}")
_SHIPPED_SID = re.compile(r"HX0{24}")


@dataclass(frozen=True, slots=True)
class Variable:
    """What fills gap `number`: a small template, and its place in the file."""

    number: int
    template: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """One `whatsapp.<language>.yaml`. `body` is the text exactly as Meta approved it, gaps written {{1}}."""

    content_sid: str
    body: str
    variables: tuple[Variable, ...]

    @property
    def is_shipped_sid(self) -> bool:
        """Still the placeholder this product ships with, and so unknown to any provider."""
        return _SHIPPED_SID.match(self.content_sid) is not None


def gaps(body: str) -> list[int]:
    """The numbers of the gaps of a text, in the order they stand."""
    return [int(number) for number in _GAP.findall(body)]


def fill(body: str, values: Mapping[int, str]) -> str:
    """What the recipient will read."""
    return _GAP.sub(lambda gap: values[int(gap[1])], body).strip()


def read_manifest(text: str, file: str) -> tuple[Manifest | None, list[Fault]]:
    """The manifest, or None with every fault found in it."""
    try:
        root = yaml.compose(text, Loader=YAML_LOADER)
    except yaml.YAMLError as error:
        return None, [fault_of_yaml(file, text, error)]
    if not isinstance(root, yaml.MappingNode):
        return None, [Fault(file, 1, 1, "write content_sid:, body: and variables:")]
    entries = {key.value: (key, value) for key, value in root.value}
    faults = [
        _fault(file, key, f"unknown key {name!r}; known: content_sid, body, variables")
        for name, (key, _) in entries.items()
        if name not in ("content_sid", "body", "variables")
    ]
    faults += [Fault(file, 1, 1, f"{name}: is missing") for name in ("content_sid", "body") if name not in entries]
    if "content_sid" in entries and not _SID.fullmatch(str(entries["content_sid"][1].value)):
        faults.append(_fault(file, entries["content_sid"][1], "content_sid must be HX and 32 digits of 0-9a-f"))
    if faults:
        return None, faults
    variables, faults = _read_variables(entries.get("variables"), file)
    manifest = Manifest(str(entries["content_sid"][1].value), str(entries["body"][1].value).strip(), variables)
    faults += _check_gaps(manifest, file, entries["body"][0])
    return (None, faults) if faults else (manifest, [])


def _read_variables(entry: tuple[yaml.Node, yaml.Node] | None, file: str) -> tuple[tuple[Variable, ...], list[Fault]]:
    if entry is None:
        return (), []
    if not isinstance(entry[1], yaml.MappingNode):
        return (), [_fault(file, entry[0], "variables: is a list of number: template")]
    found: list[Variable] = []
    faults: list[Fault] = []
    for key, value in entry[1].value:
        if not re.fullmatch(r"[1-9]\d*", str(key.value)):
            faults.append(_fault(file, key, f"a variable is called by its number, not {key.value!r}"))
        elif not isinstance(value, yaml.ScalarNode) or not value.value.strip():
            faults.append(_fault(file, value, f"variable {key.value} has no template"))
        else:
            if "{" not in value.value:
                bare = f"variable {key.value} prints these very words; a fact is written {{{{ recipient.name }}}}"
                faults.append(_fault(file, value, bare))
            place = value.start_mark
            found.append(Variable(int(key.value), value.value, place.line + 1, place.column + 1))
    return tuple(found), faults


def _check_gaps(manifest: Manifest, file: str, place: yaml.Node) -> list[Fault]:
    used = sorted(set(gaps(manifest.body)))
    given = sorted(variable.number for variable in manifest.variables)
    problems = []
    if not manifest.body:
        problems.append("body: is empty")
    if used != list(range(1, len(used) + 1)):
        problems.append(f"the gaps of the text must be numbered 1, 2, 3 without a hole, not {used}")
    if used != given:
        problems.append(f"the text has the gaps {used}, variables: fills {given}; they must be the same")
    if manifest.body and (_GAP.match(manifest.body) or manifest.body.endswith("}}")):
        problems.append("Meta refuses a text that begins or ends with a gap; put a word there")
    return [_fault(file, place, problem) for problem in problems]


def _fault(file: str, node: yaml.Node, message: str) -> Fault:
    return Fault(file, node.start_mark.line + 1, node.start_mark.column + 1, message)
