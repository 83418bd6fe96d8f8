"""Pictures for the page: SVG made of rectangles, drawn here so that the page needs nothing from elsewhere."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from html import escape
from math import ceil, log10, sqrt

#: Colours of a stack, as classes of the style sheet; what is beyond them shares the last.
COLOURS = 17
WIDTH, HEIGHT, LEFT, BOTTOM, ABOVE = 960, 280, 56, 22, 18
#: A day this much busier than all but one in twenty is cut, so that it does not flatten all the others.
GREAT = 3
CUT = "<p>A bar with a gap at its top is cut, so that one great day does not flatten all the others.</p>"
CELL, GAP = 14, 3
SHADES = 5
ONE_DAY = timedelta(days=1)


def stacked_days(days: Sequence[date], names: Sequence[str], counts: Mapping[tuple[date, str], int], label: str) -> str:
    """One bar for each day, one colour for each name, the months under it; a bar too tall is cut, and says so."""
    sums = [sum(counts.get((day, name), 0) for name in names) for day in days]
    top = _top(sums)
    wide = (WIDTH - LEFT) / max(len(days), 1)
    parts = [*_scale(top), *_months(days, wide)]
    for place, day in enumerate(days):
        x, below = LEFT + place * wide, 0
        for number, name in enumerate(names):
            count = counts.get((day, name), 0)
            low, high = (_height(min(value, top), top) for value in (below, below + count))
            below += count
            if high < low:
                bar = f'x="{x:.1f}" y="{high:.1f}" width="{max(wide - 0.3, 0.5):.2f}" height="{low - high:.1f}"'
                parts.append(f'<rect class="c{colour(number)}" {bar}>{_title(f"{day}, {name}: {count:,}")}</rect>')
        if sums[place] > top:
            parts.append(_cut(x, wide, f"{day}: {sums[place]:,}", is_named=sums[place] == max(sums)))
    return _svg(parts, WIDTH, HEIGHT, label) + (CUT if max(sums, default=0) > top else "")


def heat_map(days: Sequence[date], counts: Mapping[date, int], is_open: Callable[[date], bool], label: str) -> str:
    """A calendar: weeks from left to right, Monday on top; closed days are struck through."""
    most = max(counts.values(), default=0)
    first = days[0] - timedelta(days=days[0].weekday())
    weeks = ceil(((days[-1] - first).days + 1) / 7)
    wide = LEFT + weeks * (CELL + GAP)
    parts = [
        f'<text class="axis" x="{LEFT - 8}" y="{32 + row * (CELL + GAP)}" text-anchor="end">{name}</text>'
        for row, name in ((0, "Mon"), (2, "Wed"), (4, "Fri"), (6, "Sun"))
    ]
    for day in days:
        column, row = divmod((day - first).days, 7)
        x, y = LEFT + column * (CELL + GAP), 20 + row * (CELL + GAP)
        count = counts.get(day, 0)
        shade = ceil(SHADES * sqrt(count / most)) if count else 0  # the root: one great day must not hide the others
        closed = "" if is_open(day) else " (closed)"
        title = _title(f"{day:%a} {day}{closed}: {count:,} messages")
        parts.append(f'<rect class="h{shade}" x="{x}" y="{y}" width="{CELL}" height="{CELL}" rx="2">{title}</rect>')
        if closed:
            parts.append(f'<path class="closed" d="M{x + 2} {y + CELL - 2}L{x + CELL - 2} {y + 2}"/>')
        if day.day == 1:
            parts.append(f'<text class="axis" x="{x}" y="12">{day:%b}</text>')
    return _svg(parts, wide, 20 + 7 * (CELL + GAP) + 2, label)


def bars(rows: Iterable[tuple[str, float, str]], label: str) -> str:
    """Horizontal bars in plain HTML: name, size, and what is written behind the bar."""
    found = list(rows)
    most = max((size for _, size, _ in found), default=0) or 1
    lines = [
        f'<li><span class="name">{escape(name)}</span>'
        f'<span class="track"><span class="bar" style="width:{100 * size / most:.1f}%"></span></span>'
        f'<span class="value">{escape(value)}</span></li>'
        for name, size, value in found
    ]
    return f'<ul class="bars" aria-label="{escape(label)}">{"".join(lines)}</ul>'


def legend(names: Sequence[str]) -> str:
    """Which colour is which name."""
    items = (f'<li><i class="c{colour(place)}"></i>{escape(name)}</li>' for place, name in enumerate(names))
    return f'<ul class="legend">{"".join(items)}</ul>'


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], caption: str) -> str:
    """A table; numbers stand right, with separators."""
    found = [list(row) for row in rows]
    right = [bool(found) and all(isinstance(row[place], int) for row in found) for place in range(len(headings))]
    head = "".join(
        f'<th scope="col" class="{"n" if is_number else "t"}">{escape(heading)}</th>'
        for heading, is_number in zip(headings, right, strict=True)
    )
    body = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in found)
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def colour(place: int) -> int:
    """The number of a colour."""
    return min(place, COLOURS - 1)


def _cell(cell: object) -> str:
    if isinstance(cell, int):
        return f'<td class="n">{cell:,}</td>'
    return f"<td>{escape(str(cell))}</td>"


def _scale(top: int) -> Iterable[str]:
    for value in sorted({0, top // 2, top}):
        y = _height(value, top)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="axis" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:,}</text>'


def _height(value: int, top: int) -> float:
    """Where a value stands, from the upper edge."""
    return HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - ABOVE)


def _top(sums: Sequence[int]) -> int:
    """The upper end of the scale."""
    most, usual = max(sums, default=0), sorted(sums)[len(sums) * 95 // 100] if sums else 0
    return _round_up(most if most <= GREAT * usual or not usual else 2 * usual)


def _cut(x: float, wide: float, text: str, *, is_named: bool) -> str:
    """A gap through the top of a bar that is cut, and over the tallest one its day and number."""
    gap = f'<path class="cut" d="M{x - 1:.1f} {ABOVE + 8}l{wide + 2:.1f} -4"/>'
    if not is_named:
        return gap
    side = "start" if x < WIDTH / 2 else "end"
    return gap + f'<text class="axis" x="{x:.1f}" y="{ABOVE - 6}" text-anchor="{side}">{escape(text)}</text>'


def _months(days: Sequence[date], wide: float) -> Iterable[str]:
    marks = [(place, day) for place, day in enumerate(days) if day.day == 1 or place == 0]
    for number, (place, day) in enumerate(marks):
        # The first days of a span may leave no room for their own name.
        if number + 1 < len(marks) and (marks[number + 1][0] - place) * wide < 34:
            continue
        yield f'<text class="axis" x="{LEFT + place * wide:.1f}" y="{HEIGHT - 6}">{day:%b}</text>'


def _title(text: str) -> str:
    return f"<title>{escape(text)}</title>"


def _svg(parts: Iterable[str], wide: float, tall: float, label: str) -> str:
    return (
        f'<div class="scroll"><svg viewBox="0 0 {wide:.0f} {tall:.0f}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg></div>"
    )


def _round_up(number: int) -> int:
    if number <= 0:
        return 1
    unit = int(10 ** max(int(log10(number)) - 1, 0))
    return ceil(number / unit) * unit
