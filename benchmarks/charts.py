"""The pictures of docs/performance.md: SVG by hand, readable on light and dark pages, no library and no script."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

from benchmarks import Figure
from benchmarks.table import Line

WIDTH, LEFT, RIGHT, ROW, TOP, KEY = 860, 260, 150, 34, 46, 24
INK, FAINT, GRID, OURS, OTHERS, LIMIT = "#1d2733", "#5b6773", "#d9dfe5", "#1d4f91", "#9fb3c8", "#c9a227"
GOOD, FAIR, BAD = "#2e7d4f", "#c9a227", "#b3402e"
#: What the colours mean, in the order in which the key names them.
BARS = ((OURS, "the notifier"), (OTHERS, "what one would build instead"), (LIMIT, "a limit: the bare work alone"))
PROMISES = ((GOOD, "goal reached"), (FAIR, "floor reached"), (BAD, "floor missed"))
#: Units as the eye wants them.
UNITS = {"s": "seconds"}
FONT = "font-family=\"Arial, 'Liberation Sans', sans-serif\""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: what it is called, its figure, and whether it is ours, another tool's, or the machine's limit."""

    name: str
    figure: Figure
    colour: str


def speeds(title: str, bars: Sequence[Bar], unit: str) -> str:
    """Horizontal bars on a logarithmic scale, with the spread of the rounds and the number behind."""
    found = sorted(bars, key=lambda bar: bar.figure.value, reverse=bars[0].figure.better == "more") if bars else []
    low = 10.0 ** floor(log10(min(bar.figure.lo for bar in found) / 2))  # the shortest bar is still a bar
    high = 10.0 ** ceil(log10(max(bar.figure.hi for bar in found) * 1.01))
    wide, tall = WIDTH - LEFT - RIGHT, TOP + len(found) * ROW + 30 + KEY
    span = log10(high / low)

    def place(value: float) -> float:
        return LEFT + wide * log10(max(value, low) / low) / span

    parts = [_text(16, 24, title, size=16, weight="bold")]
    for value in _marks(low, high):
        x = place(value)
        parts.append(f'<path d="M{x:.1f} {TOP - 6}V{tall - 26 - KEY}" stroke="{GRID}"/>')
        parts.append(_text(x, tall - 10 - KEY, f"{value:,g}", size=12, colour=FAINT, anchor="middle"))
    parts.append(_text(WIDTH - 12, 24, f"{UNITS.get(unit, unit)}, logarithmic", size=12, colour=FAINT, anchor="end"))
    parts += _key(LEFT, tall - 12, [entry for entry in BARS if entry[0] in {bar.colour for bar in found}])
    for number, bar in enumerate(found):
        y, figure = TOP + number * ROW, bar.figure
        parts.append(_text(LEFT - 10, y + 17, bar.name, size=13, anchor="end"))
        parts.append(
            f'<rect x="{LEFT}" y="{y + 3}" width="{max(place(figure.value) - LEFT, 1):.1f}" height="20" rx="2" '
            f'fill="{bar.colour}"><title>{escape(bar.name)}: {_number(figure.value)} '
            f"({_number(figure.lo)}..{_number(figure.hi)})</title></rect>"
        )
        first, last = place(figure.lo), place(figure.hi)
        if last - first > 2:
            parts.append(f'<path d="M{first:.1f} {y + 13}H{last:.1f}M{first:.1f} {y + 9}v8M{last:.1f} {y + 9}v8" '
                         f'stroke="{INK}" stroke-width="1.3" fill="none"/>')  # fmt: skip
        parts.append(_text(max(place(figure.value), last) + 8, y + 17, _number(figure.value), size=13, weight="bold"))
    return _svg(parts, tall, title)


def board(lines: Sequence[Line]) -> str:
    """Every promise: how many times its floor was reached. To the right of the line is well.

    Behind each bar stand the figure and its floor.
    """
    found = [line for line in lines if line.figure is not None and line.row.floor is not None]
    left, right = 300, 140
    wide, tall = WIDTH - left - right, TOP + len(found) * 30 + 34 + KEY
    most = 8.0  # times the floor, at the right end

    def place(times: float) -> float:
        return left + wide * log10(min(max(times, 1 / most), most) * most) / log10(most * most)

    parts = [_text(16, 24, "The promises, each against its floor", size=16, weight="bold")]
    parts.append(_text(WIDTH - 12, 24, "measured (floor)", size=12, colour=FAINT, anchor="end"))
    marks = (
        (1 / 8, "1/8"),
        (0.25, "1/4"),
        (0.5, "half as good"),
        (1.0, "floor"),
        (2.0, "twice as good"),
        (4.0, "4 times"),
    )
    for times, name in (*marks, (8.0, "8 times")):
        x = place(times)
        colour, width = (INK, 1.6) if times == 1 else (GRID, 1)
        parts.append(f'<path d="M{x:.1f} {TOP - 6}V{tall - 28 - KEY}" stroke="{colour}" stroke-width="{width}"/>')
        parts.append(_text(x, tall - 12 - KEY, name, size=12, colour=FAINT, anchor="middle"))
    for number, line in enumerate(found):
        y, row, figure = TOP + number * 30, line.row, line.figure
        assert figure is not None and row.floor is not None
        times = _times(row.better, figure.value, row.floor)
        colour = {"goal": GOOD, "floor": FAIR}.get(line.reached, BAD)
        begin, end = sorted((place(1.0), place(times)))
        parts.append(_text(left - 10, y + 16, row.short, size=12, anchor="end"))
        parts.append(f'<rect x="{begin:.1f}" y="{y + 4}" width="{max(end - begin, 2):.1f}" height="16" rx="2" '
                     f'fill="{colour}"/>')  # fmt: skip
        if not 1 / most <= times <= most:  # the bar goes on beyond the picture
            x, way = place(times), 1 if times > 1 else -1
            parts.append(f'<path d="M{x + 3 * way:.1f} {y + 6}l{6 * way} 6l{-6 * way} 6" stroke="{colour}" '
                         'stroke-width="2" fill="none"/>')  # fmt: skip
        if row.goal is not None:
            x = place(_times(row.better, row.goal, row.floor))
            parts.append(f'<path d="M{x:.1f} {y + 1}v22" stroke="{INK}" stroke-width="2" stroke-dasharray="3 2"/>')
        sign = "≥" if row.better == "more" else "≤"
        got = f"{_number(figure.value)} {row.unit} ({sign} {row.floor:g})"
        parts.append(_text(WIDTH - 12, y + 16, got, size=12, anchor="end"))
    end = left + 3 * 115
    parts += _key(left, tall - 12, PROMISES)
    parts.append(f'<path d="M{end} {tall - 23}v14" stroke="{INK}" stroke-width="2" stroke-dasharray="3 2"/>')
    parts.append(_text(end + 8, tall - 12, "the goal", size=12, colour=FAINT))
    return _svg(parts, tall, "Promises and what was measured")


def _marks(low: float, high: float) -> list[float]:
    """Where the scale is marked: at each power of ten, and between them where there are few."""
    powers = round(log10(high / low))
    between = (1, 2, 5) if powers <= 2 else (1,)
    return [low * 10**power * times for power in range(powers) for times in between] + [high]


def _key(x: float, y: float, entries: Sequence[tuple[str, str]]) -> list[str]:
    """What the colours mean, in one line."""
    parts = []
    for colour, name in entries:
        parts.append(f'<rect x="{x:.1f}" y="{y - 10:.1f}" width="12" height="12" rx="2" fill="{colour}"/>')
        parts.append(_text(x + 18, y, name, size=12, colour=FAINT))
        x += 40 + 6.2 * len(name)
    return parts


def _times(better: str, value: float, floor_: float) -> float:
    return value / floor_ if better == "more" else floor_ / value


def _number(value: float) -> str:
    """Three figures that count."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def _text(
    x: float, y: float, text: str, *, size: int, colour: str = INK, anchor: str = "start", weight: str = "normal"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{escape(text)}</text>'
    )


def _svg(parts: Sequence[str], tall: float, label: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {tall:.0f}" width="{WIDTH}" height="{tall:.0f}" '
        f'role="img" aria-label="{escape(label)}" {FONT}><rect width="100%" height="100%" rx="6" fill="#ffffff"/>'
        + "\n".join(parts)
        + "</svg>\n"
    )
