"""Maps of the report: plain SVG paths drawn from the metric CRS, with north arrow and scale bar."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Geometry

from gis.bilingual import Language
from layers.types import CityLayers

WIDTH_PX = 1000.0
_MARGIN_PX = 14.0
_TALLEST_PX = 1150.0
_DETAIL_PX = 0.35
_SMALLEST_PX2 = 5.0
_SMALL_SIDE_PX = 2.2

MOST_SHAPES = 20_000
"""Most parcels of which each is drawn by its outline; more are painted (``maps.report_raster``)."""

# Okabe and Ito's palette: told apart with any kind of colour vision, and in grey by lightness.
BLUE, ORANGE, GREEN, BLACK = "#0072b2", "#d55e00", "#009e73", "#1a1a1a"
GREY, PALE = "#c9c9c9", "#f4f2ec"

Points = NDArray[np.float64]
Geometries = Any
"""A sequence, an array or a GeoSeries of geometries."""


class MapSheet:
    """An SVG map under construction: shapes are added in the order in which they are painted."""

    def __init__(self, area: Geometry, title: str) -> None:
        """Fit the sheet to ``area`` (metric CRS); ``title`` is read out by screen readers."""
        min_x, min_y, max_x, max_y = shapely.bounds(area)
        self.scale = min((WIDTH_PX - 2 * _MARGIN_PX) / max(max_x - min_x, 1.0),
                         (_TALLEST_PX - 2 * _MARGIN_PX) / max(max_y - min_y, 1.0))
        self.height = (max_y - min_y) * self.scale + 2 * _MARGIN_PX
        self.width = WIDTH_PX
        self.left = (WIDTH_PX - (max_x - min_x) * self.scale) / 2
        self.origin = (min_x, max_y)
        self.title = title
        self.parts: list[str] = []
        self.taken: list[tuple[float, float, float, float]] = []

    def to_sheet(self, coordinates: Points) -> Points:
        """Turn eastings and northings into pixels, y downwards."""
        x = (coordinates[:, 0] - self.origin[0]) * self.scale + self.left
        y = (self.origin[1] - coordinates[:, 1]) * self.scale + _MARGIN_PX
        return np.column_stack([x, y])

    def points(self, geometries: Geometries) -> Points:
        """Return a pixel position inside each geometry, shape (n, 2)."""
        array = np.asarray(geometries, dtype=object)
        if not len(array):
            return np.empty((0, 2))
        return self.to_sheet(shapely.get_coordinates(shapely.point_on_surface(array)))

    def shapes(self, geometries: Geometries, style: str) -> None:
        """Paint polygons or lines, all in one style (SVG attributes)."""
        array = np.asarray(geometries, dtype=object)
        array = array[~(shapely.is_missing(array) | shapely.is_empty(array))]
        if not len(array):
            return
        # normalize winds holes against their outline, so that the non-zero fill rule leaves them open.
        flat = shapely.normalize(shapely.transform(shapely.force_2d(array), self.to_sheet))
        drawn = shapely.simplify(flat, _DETAIL_PX)
        self.parts.append(f'<path d="{"".join(_path(shape) for shape in drawn)}" {style}/>')

    def mark(self, position: Sequence[float], shape: str, size: float, style: str) -> None:
        """Paint a sign: circle, square, diamond or triangle."""
        x, y = position[0], position[1]
        if shape == "circle":
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}" {style}/>')
            return
        corners = {"square": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
                   "diamond": ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
                   "triangle": ((0, -1.2), (1.1, 0.9), (-1.1, 0.9))}[shape]
        path = " ".join(f"{x + dx * size:.1f},{y + dy * size:.1f}" for dx, dy in corners)
        self.parts.append(f'<polygon points="{path}" {style}/>')

    def label(self, position: Sequence[float], text: str, size: float = 15.0, weight: str = "normal") -> None:
        """Write a name near a position where it covers no other name; leave it out where there is no room."""
        width = sum(size if ord(c) > 0x2E7F else size * 0.58 for c in text)
        for dy in (0.0, 1.1, -1.1, 2.2, -2.2):
            x = min(max(position[0], width / 2 + 2), WIDTH_PX - width / 2 - 2)
            y = position[1] + dy * size
            box = (x - width / 2, y - size * 0.8, x + width / 2, y + size * 0.3)
            if box[1] > 0 and box[3] < self.height and not any(_overlap(box, other) for other in self.taken):
                self.taken.append(box)
                self.parts.append(
                    f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" font-weight="{weight}" text-anchor="middle" '
                    f'fill="#111" stroke="#fff" stroke-width="3.5" paint-order="stroke">{escape(text)}</text>')
                return

    def numbered(self, positions: Points, texts: Sequence[str], colour: str, radius: float = 11.0) -> None:
        """Paint numbered discs; those that would hide one another are moved aside and tied to their place."""
        moved = spread(positions, 2.05 * radius, (radius, WIDTH_PX - radius), (radius, self.height - radius))
        for at, to, text in reversed(list(zip(positions, moved, texts, strict=True))):
            if np.hypot(*(to - at)) > 2:
                self.parts.append(f'<path d="M{at[0]:.1f} {at[1]:.1f}L{to[0]:.1f} {to[1]:.1f}" stroke="{colour}" '
                                  'stroke-width="1.4"/>')
                self.mark(at, "circle", 2.6, f'fill="{colour}"')
            self.mark(to, "circle", radius, f'fill="{colour}" stroke="#fff" stroke-width="1.5"')
            self.parts.append(f'<text x="{to[0]:.1f}" y="{to[1] + radius * 0.38:.1f}" font-size="{radius * 1.1:.1f}" '
                              f'font-weight="bold" text-anchor="middle" fill="#fff">{escape(text)}</text>')
            self.taken.append((to[0] - radius, to[1] - radius, to[0] + radius, to[1] + radius))

    def render(self, language: Language) -> str:
        """Return the sheet as an SVG element."""
        furniture = _scale_bar(self.scale, self.height, language) + _north_arrow(language)
        return (f'<svg class="map" viewBox="0 0 {WIDTH_PX:g} {self.height + 46:.0f}" role="img" '
                f'xmlns="http://www.w3.org/2000/svg"><title>{escape(self.title)}</title>'
                f'<rect width="{WIDTH_PX:g}" height="{self.height + 46:.0f}" fill="#fff"/>'
                + "".join(self.parts) + furniture + "</svg>")


def study_sheet(city_layers: CityLayers, title: str) -> MapSheet:
    """Return a sheet that fits a study area, with what every map of it must show.

    That is the boundary lines, where the layer is given: a map of the country without those of the South China Sea may
    not be shown to the public.
    """
    sheet = MapSheet(city_layers.area_of_interest, title)
    if city_layers.has("boundary_lines"):
        sheet.shapes(city_layers.frame("boundary_lines").geometry, 'fill="none" stroke="#333" stroke-width="2"')
    return sheet


def _overlap(a: Sequence[float], b: Sequence[float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _path(shape: Geometry) -> str:
    """Write one geometry as SVG path data; a polygon too small to see becomes a small square."""
    if shapely.get_dimensions(shape) == 2 and shapely.area(shape) < _SMALLEST_PX2:
        x, y = shapely.get_coordinates(shapely.centroid(shape))[0] - _SMALL_SIDE_PX / 2
        return f"M{x:.1f} {y:.1f}h{_SMALL_SIDE_PX}v{_SMALL_SIDE_PX}h-{_SMALL_SIDE_PX}z"
    written = []
    for part in shapely.get_parts(shape):
        is_area = shapely.get_dimensions(part) == 2
        for ring in shapely.get_rings(part) if is_area else [part]:
            xy = np.round(shapely.get_coordinates(ring), 1).tolist()
            xy = xy[:-1] if is_area else xy
            written.append("M" + "L".join(f"{x:g} {y:g}" for x, y in xy) + ("z" if is_area else ""))
    return "".join(written)


def spread(points: Points, least: float, x_range: tuple[float, float], y_range: tuple[float, float]) -> Points:
    """Move points apart until any two are ``least`` from each other, as far as the room allows.

    Deterministic: coinciding points leave in directions given by their order.
    """
    moved = points.astype(np.float64).copy()
    n = len(moved)
    turn = np.arange(n) * math.pi * (3 - math.sqrt(5))
    moved += 0.01 * np.column_stack([np.cos(turn), np.sin(turn)])
    for _ in range(200):
        apart = moved[:, None, :] - moved[None, :, :]
        distance = np.hypot(apart[..., 0], apart[..., 1])
        np.fill_diagonal(distance, np.inf)
        lacking = np.clip(least - distance, 0, None)
        if not (lacking > 0.05).any():
            break
        push = (apart / np.maximum(distance, 1e-9)[..., None] * lacking[..., None] * 0.5).sum(axis=1)
        moved += push
        moved[:, 0], moved[:, 1] = np.clip(moved[:, 0], *x_range), np.clip(moved[:, 1], *y_range)
    still = np.hypot(*(moved - points).T) < 0.5
    moved[still] = points[still]
    return moved


def _scale_bar(scale: float, top: float, language: Language) -> str:
    """Return a scale bar of a round length, about a fifth of the sheet."""
    wanted_m = WIDTH_PX * 0.2 / scale
    power = 10.0 ** math.floor(math.log10(wanted_m))
    length_m = max(step * power for step in (1, 2, 5) if step * power <= wanted_m)
    px = length_m * scale
    title = f"{length_m / 1000:g} {'公里' if language == 'zh' else 'km'}" if length_m >= 1000 else f"{length_m:g} m"
    x, y = WIDTH_PX - _MARGIN_PX - px, top + 22
    return (f'<g font-size="14"><rect x="{x:.1f}" y="{y}" width="{px / 2:.1f}" height="6" fill="#222" stroke="#222"/>'
            f'<rect x="{x + px / 2:.1f}" y="{y}" width="{px / 2:.1f}" height="6" fill="#fff" stroke="#222"/>'
            f'<text x="{x:.1f}" y="{y - 5}" text-anchor="middle">0</text>'
            f'<text x="{WIDTH_PX - _MARGIN_PX:.1f}" y="{y - 5}" text-anchor="end">{title}</text></g>')


def _north_arrow(language: Language) -> str:
    x, y = WIDTH_PX - 34.0, 20.0
    word = "北" if language == "zh" else "N"
    return (f'<g><path d="M{x} {y}L{x + 9} {y + 30}L{x} {y + 23}L{x - 9} {y + 30}z" fill="#222"/>'
            f'<text x="{x}" y="{y + 46}" font-size="15" text-anchor="middle">{word}</text></g>')


def swatch(colour: str, title: str, shape: str = "area", opacity: float = 1.0) -> str:
    """Return one entry of a legend as HTML; ``title`` is HTML."""
    drawn = {
        "area": f'<rect x="1" y="2" width="20" height="12" fill="{escape(colour)}" fill-opacity="{opacity:g}" '
                'stroke="#555" stroke-width=".6"/>',
        "line": f'<path d="M1 8H21" stroke="{escape(colour)}" stroke-width="2.4"/>',
        "dashed": f'<path d="M1 8H21" stroke="{escape(colour)}" stroke-width="2.4" stroke-dasharray="5 3"/>',
        "circle": f'<circle cx="11" cy="8" r="6" fill="{escape(colour)}"/>',
        "square": f'<rect x="6" y="3" width="10" height="10" fill="{escape(colour)}"/>',
        "diamond": f'<path d="M11 1L18 8L11 15L4 8z" fill="{escape(colour)}"/>',
        "triangle": f'<path d="M11 2L18 14H4z" fill="{escape(colour)}"/>',
    }[shape]
    return f'<span class="key"><svg viewBox="0 0 22 16" width="22" height="16">{drawn}</svg>{title}</span>'
