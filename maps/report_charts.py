"""Charts of the report, as plain SVG: a curve of steps, bars side by side, intervals, and several lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 1000.0, 380.0, 78.0, 24.0, 18.0, 52.0
_LINE = 'stroke="#b8b8b8" stroke-width="1"'


def curve_chart(title: str, x_title: str, y_title: str, values: Sequence[tuple[int, float]], colour: str,
                marked: int) -> str:
    """Draw shares (0 to 1) over whole numbers, with one of them marked.

    Parameters
    ----------
    title
        Read out by screen readers.
    x_title, y_title
        Of the axes.
    values
        Number and share, in order.
    colour
        Of the curve.
    marked
        The number that was asked for.
    """
    most = max(x for x, _ in values)
    scale_x = (_WIDTH - _LEFT - _RIGHT) / max(most, 1)
    height = _HEIGHT - _TOP - _BOTTOM

    def at(x: float, share: float) -> tuple[float, float]:
        return _LEFT + x * scale_x, _TOP + (1.0 - share) * height

    parts = [_grid_line(*at(0, level), f"{level:.0%}") for level in (0.0, 0.25, 0.5, 0.75, 1.0)]
    step = max(1, math.ceil(most / 15))
    for x in range(0, most + 1, step):
        px, _ = at(x, 0)
        parts.append(f'<text x="{px:.1f}" y="{_TOP + height + 20:.1f}" text-anchor="middle">{x}</text>')
    points = [at(x, share) for x, share in values]
    parts.append(f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}" fill="none" '
                 f'stroke="{colour}" stroke-width="2.4"/>')
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.4" fill="{colour}"/>' for x, y in points]
    for (x, share), (px, py) in zip(values, points, strict=True):
        if x == marked:
            parts.append(f'<path d="M{px:.1f} {py:.1f}V{_TOP + height:.1f}" stroke="#1a1a1a" stroke-dasharray="4 3"/>'
                         f'<circle cx="{px:.1f}" cy="{py:.1f}" r="6.5" fill="#fff" stroke="#1a1a1a" stroke-width="2"/>'
                         f'<text x="{px:.1f}" y="{py + 26:.1f}" text-anchor="middle" font-weight="bold">'
                         f"{share:.1%}</text>")
    parts.append(f'<text x="{(_WIDTH + _LEFT) / 2:.1f}" y="{_HEIGHT - 8:.1f}" text-anchor="middle">'
                 f"{escape(x_title)}</text>")
    parts.append(f'<text transform="translate(20 {_TOP + height / 2:.1f}) rotate(-90)" text-anchor="middle">'
                 f"{escape(y_title)}</text>")
    return _svg(title, _HEIGHT, parts)


def bar_chart(title: str, rows: Sequence[tuple[str, float, float | None]], colours: tuple[str, str]) -> str:
    """Draw shares as bars, one line per row, with a second thin bar where there is something to compare with.

    Parameters
    ----------
    title
        Read out by screen readers.
    rows
        Name, share, and the share to compare with or None.
    colours
        Of the bars and of the thin ones.
    """
    left, line = 190.0, 34.0
    most = max([share for _, share, _ in rows] + [other for _, _, other in rows if other is not None] + [0.01])
    scale = (_WIDTH - left - 90.0) / most
    parts = []
    for i, (name, share, other) in enumerate(rows):
        y = _TOP + i * line
        parts.append(f'<text x="{left - 10:.1f}" y="{y + 17:.1f}" text-anchor="end">{escape(name)}</text>'
                     f'<rect x="{left}" y="{y + 3:.1f}" width="{share * scale:.1f}" height="14" fill="{colours[0]}"/>'
                     f'<text x="{left + share * scale + 6:.1f}" y="{y + 15:.1f}">{share:.1%}</text>')
        if other is not None:
            parts.append(f'<rect x="{left}" y="{y + 19:.1f}" width="{other * scale:.1f}" height="6" '
                         f'fill="{colours[1]}"/><text x="{left + other * scale + 6:.1f}" y="{y + 27:.1f}" '
                         f'font-size="11">{other:.1%}</text>')
    parts.append(f'<path d="M{left} {_TOP}V{_TOP + len(rows) * line:.1f}" stroke="#1a1a1a"/>')
    return _svg(title, _TOP + len(rows) * line + 12, parts)


def interval_chart(title: str, x_title: str, rows: Sequence[tuple[str, int, int, int]], colour: str) -> str:
    """Draw ranks with their intervals, one line per row, on an axis of logarithms.

    Parameters
    ----------
    title
        Read out by screen readers.
    x_title
        Of the axis.
    rows
        Name, least rank, rank, and greatest rank.
    colour
        Of the intervals.
    """
    left, line = 190.0, 24.0
    most = max([high for _, _, _, high in rows] + [2])
    scale = (_WIDTH - left - 60.0) / math.log(most)
    bottom = _TOP + len(rows) * line

    def at(rank: int) -> float:
        return left + 12.0 + math.log(max(rank, 1)) * scale

    ticks = [t * 10**power for power in range(7) for t in (1, 2, 5) if t * 10**power <= most]
    parts = [f'<path d="M{at(tick):.1f} {_TOP}V{bottom:.1f}" {_LINE}/>'
             f'<text x="{at(tick):.1f}" y="{bottom + 16:.1f}" text-anchor="middle">{tick}</text>' for tick in ticks]
    for i, (name, low, rank, high) in enumerate(rows):
        y = _TOP + (i + 0.5) * line
        parts.append(f'<text x="{left - 10:.1f}" y="{y + 4:.1f}" text-anchor="end">{escape(name)}</text>'
                     f'<path d="M{at(low) - 3:.1f} {y:.1f}H{at(high) + 3:.1f}" stroke="{colour}" stroke-width="8" '
                     f'stroke-opacity="0.45"/><circle cx="{at(rank):.1f}" cy="{y:.1f}" r="4" fill="#1a1a1a"/>')
    parts.append(f'<text x="{(_WIDTH + left) / 2:.1f}" y="{bottom + 36:.1f}" text-anchor="middle">'
                 f"{escape(x_title)}</text>")
    return _svg(title, bottom + 46, parts)


def lines_chart(title: str, x_title: str, y_title: str, places: Sequence[float],
                lines: Sequence[tuple[str, Sequence[float], str]]) -> str:
    """Draw several lines of shares (0 to 1) over changes (as shares, ascending).

    Parameters
    ----------
    title
        Read out by screen readers.
    x_title, y_title
        Of the axes.
    places
        Changes, two or more.
    lines
        Name (read out), share at each change, and colour.
    """
    height, width = _HEIGHT - _TOP - _BOTTOM, _WIDTH - _LEFT - _RIGHT
    least = min([share for _, shares, _ in lines for share in shares] + [1.0])
    floor = max(0.0, math.floor(least * 10 - 1) / 10)
    span = max(places[-1] - places[0], 1e-9)

    def at(x: float, share: float) -> tuple[float, float]:
        return _LEFT + (x - places[0]) / span * width, _TOP + (1.0 - share) / (1.0 - floor) * height

    parts = [_grid_line(*at(places[0], floor + (1.0 - floor) * k / 4), f"{floor + (1.0 - floor) * k / 4:.0%}")
             for k in range(5)]
    for k in range(5):
        x = places[0] + span * k / 4
        parts.append(f'<text x="{at(x, 0)[0]:.1f}" y="{_TOP + height + 20:.1f}" text-anchor="middle">{x:+.0%}</text>')
    for place, (name, shares, colour) in enumerate(lines):
        points = " ".join("{:.1f},{:.1f}".format(*at(x, y)) for x, y in zip(places, shares, strict=True))
        # Each is thinner than those before it, so that lines that run on one another are all seen.
        width_px = 1.8 + 1.9 * (len(lines) - 1 - place)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width_px:.1f}">'
                     f"<title>{escape(name)}</title></polyline>")
    parts.append(f'<text x="{(_WIDTH + _LEFT) / 2:.1f}" y="{_HEIGHT - 8:.1f}" text-anchor="middle">'
                 f"{escape(x_title)}</text>")
    parts.append(f'<text transform="translate(20 {_TOP + height / 2:.1f}) rotate(-90)" text-anchor="middle">'
                 f"{escape(y_title)}</text>")
    return _svg(title, _HEIGHT, parts)


def _grid_line(x: float, y: float, name: str) -> str:
    return (f'<path d="M{x:.1f} {y:.1f}H{_WIDTH - _RIGHT:.1f}" {_LINE}/>'
            f'<text x="{x - 8:.1f}" y="{y + 4:.1f}" text-anchor="end">{escape(name)}</text>')


def _svg(title: str, height: float, parts: Sequence[str]) -> str:
    return (f'<svg class="map" viewBox="0 0 {_WIDTH:g} {height:.0f}" role="img" font-size="13" '
            f'xmlns="http://www.w3.org/2000/svg"><title>{escape(title)}</title>'
            f'<rect width="{_WIDTH:g}" height="{height:.0f}" fill="#fff"/>{"".join(parts)}</svg>')
