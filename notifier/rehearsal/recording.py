"""Expectations written into the file of a test, in place: what left, for an officer to look at."""

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from notifier.errors import NotifierError
from notifier.rehearsal.compare import on_clock, spoken
from notifier.rehearsal.rehearse import Result
from notifier.rehearsal.script import Scene, Script
from notifier.rehearsal.tally import Left

#: Stands behind `messages:` until somebody has read it.
MARK = "# recorded, look at it"
STEP = 2


def write(scripts: Sequence[Script], results: Sequence[Result], *, again: bool) -> list[Result]:
    """Write what left into the files, and answer the tests that were written; nothing else of a file changes.

    Only tests without an expectation are written, unless `again`: then those that failed, too. Raises NotifierError,
    before anything is written, for a test in braces, in which no line can be written.
    """
    scenes = {(scene.file, scene.line): scene for script in scripts for scene in script.scenes}
    many = {script.path: len(script.rules) > 1 for script in scripts}
    wanted = [one for one in results if one.trouble is None and (not one.is_written or (again and not one.passed))]
    for one in wanted:
        if scenes[one.file, one.line].indentation is None:
            raise NotifierError(f"{one.file}:{one.line}: the test stands in braces; write it in lines to record it")
    for path in dict.fromkeys(one.file for one in wanted):
        edits = [(scenes[one.file, one.line], one.left) for one in wanted if one.file == path]
        _rewrite(Path(path), edits, many=many[path])
    return wanted


def _rewrite(path: Path, edits: Sequence[tuple[Scene, Sequence[Left]]], *, many: bool) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        lines = file.read().splitlines(keepends=True)
    end = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    for scene, left in sorted(
        edits, key=lambda edit: edit[0].line, reverse=True
    ):  # from below: lines keep their numbers
        indentation = scene.indentation or 0
        new = [f"{line}{end}" for line in expectation(scene, left, indentation, many=many)]
        if scene.messages_line is not None:
            first, last = scene.messages_line - 1, _end_of(lines, scene.messages_line, indentation + 1)
        else:
            first = last = _end_of(lines, scene.line, indentation)
            if lines[first - 1] == lines[first - 1].rstrip("\r\n"):  # the file ends without a line end
                lines[first - 1] += end
        lines[first:last] = new
    beside = path.with_name(f"{path.name}.new")
    with beside.open("w", encoding="utf-8", newline="") as file:
        file.write("".join(lines))
    beside.replace(path)


def _end_of(lines: Sequence[str], after: int, indentation: int) -> int:
    """How many lines there are up to the last one below line `after` that is indented so far; blanks do not count."""
    last = after
    for number in range(after, len(lines)):
        text = lines[number].strip()
        if not text or text.startswith("#"):
            continue
        if len(lines[number]) - len(lines[number].lstrip(" ")) < indentation:
            break
        last = number + 1
    return last


def expectation(scene: Scene, left: Sequence[Left], indentation: int, *, many: bool) -> list[str]:
    """The lines of `messages:` that say what left."""
    outer, inner = " " * indentation, " " * (indentation + STEP)
    if not left:
        return [f"{outer}messages: none  {MARK}"]
    about = len({*scene.subjects}) > 1
    at_once: dict[str, list[str]] = defaultdict(list)
    for one in left:
        at_once[on_clock(one.at, scene.zone)].append(_scalar(spoken(one, many=many, about=about)))
    lines = [f"{outer}messages:  {MARK}"]
    for at, texts in at_once.items():
        if len(texts) == 1:
            lines.append(f"{inner}{at}: {texts[0]}")
        else:
            lines += [f"{inner}{at}:", *(f"{inner}{' ' * STEP}- {text}" for text in texts)]
    return lines


def _scalar(text: str) -> str:
    """In quotes where YAML would read something else."""
    is_plain = ": " not in text and " #" not in text and text[0] not in "-?:,[]{}#&*!|>'\"%@`"
    return text if is_plain else json.dumps(text, ensure_ascii=False)
