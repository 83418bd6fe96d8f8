"""What was measured, one JSON file for each part; a later run of a part replaces its file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import Figure

RESULTS = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Result:
    """One part as it was measured; `missing` says why there are no figures."""

    part: str
    day: str  # ISO date
    machine: Mapping[str, str]
    settings: Mapping[str, Any]
    load: float  # processes that wanted to run in the minute before; above the cores, others disturbed the figures
    figures: Sequence[Figure]
    missing: str = ""


def save(folder: Path, result: Result) -> None:
    """Write the file of a part."""
    text = json.dumps(asdict(result), indent=1, ensure_ascii=False)
    (folder / f"{result.part}.json").write_text(text + "\n", encoding="utf-8")


def read(folder: Path) -> list[Result]:
    """Every part that was measured, by name. Files of another shape (those of the chaos runs) are not ours to read."""
    found = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))]
    return [_result(one) for one in found if "part" in one and "figures" in one]


def _result(found: dict[str, Any]) -> Result:
    figures = [Figure(**one) for one in found.pop("figures")]
    return Result(**found, figures=figures)
