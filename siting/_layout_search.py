"""Which packings of a parcel are worth trying, and the best arrangement among them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import shapely

from siting._layout_parts import inset
from siting._layout_programme import Arrangement, arrange, by_distance, halls_for, most_floors, yards_for
from siting._layout_rows import Stretch, directions_rad, edges_of, pack_rows, remaining, worth
from siting.layout_settings import LayoutSettings

Stretches = tuple[Stretch, ...]

_YARD_WEIGHTS = (1e-3, 0.5, 1.0)
_CUT_WEIGHTS = (0.5,)
_N_TRIED = 6
_N_FINE = 4
_N_CUT = 3
_N_FILLS = 2
_MAX_CUTS = 10
_N_REFINED = 1
_MAX_SEEDS = 6
_SMALL = 10
"""Parcels of so few modules are tried in more ways, each of which takes little time."""
_MIN_TURN = math.sin(math.radians(15.0))
"""Corners that turn inward by less are no arms."""


def best_arrangement(parcel: Any, settings: LayoutSettings, most: int,
                     feed: tuple[float, float] | None) -> tuple[int, Arrangement | None]:
    """Try the most promising packings; the most floors win, then the shortest way to the feed.

    Returns
    -------
    Number of floors, at most ``most``, and where they stand; 0 and None where none fits.
    """
    ground = inset(parcel, settings.clearance_m)
    if most < 1 or settings.racks_per_floor < 1 or ground.is_empty:
        return 0, None
    tried: list[tuple[int, float, int, Stretches, Arrangement | None]] = []
    for stretches in packings(ground, directions_rad(parcel), settings):
        n_floors, arrangement = most_floors(stretches, settings, most, feed)
        distance_m = arrangement.feed_distance_m if arrangement is not None else 0.0
        tried.append((-n_floors, round(distance_m, 6), len(tried), stretches, arrangement))
    tried.sort(key=lambda t: t[:3])
    n_floors, arrangement = (-tried[0][0], tried[0][4]) if tried else (0, None)
    is_small = all(sum(s.n_modules for s in t[3]) <= _SMALL for t in tried)
    for *_, stretches, _ in tried if is_small else tried[:_N_REFINED]:
        for from_end in (False, True):
            modules = [m for s in stretches for m in s.modules(settings.gap_m, from_end=from_end)]
            turns = [s.axes.angle_rad + turn for s in stretches[:1] for turn in (0.0, math.pi / 2)]
            n_floors, arrangement = refined(ground, modules, turns, settings, most, feed, (n_floors, arrangement))
    return n_floors, arrangement


def packings(ground: Any, directions: tuple[float, ...], settings: LayoutSettings) -> list[Stretches]:
    """List packings of the ground, best first: in one direction, then cut into arms of which each has its own."""
    found = _ranked(ground, directions, settings, _YARD_WEIGHTS, _N_FINE)
    cuts = [(_packed_apart(ground, cut, directions, settings, 0), cut) for cut in _cuts(ground)]
    cuts.sort(key=lambda c: -round(_worth(c[0], settings), 9))
    found += [_packed_apart(ground, cut, directions, settings, 1) for _, cut in cuts[:_N_CUT]]
    best = _sorted(found, settings)[:_N_TRIED]
    return _sorted([_filled(ground, stretches, directions, settings) for stretches in best], settings)


def _sorted(found: list[Stretches], settings: LayoutSettings) -> list[Stretches]:
    return sorted(dict.fromkeys(found), key=lambda s: -round(_worth(s, settings), 9))


def _ranked(ground: Any, directions: tuple[float, ...], settings: LayoutSettings, weights: tuple[float, ...],
            n_fine: int) -> list[Stretches]:
    """Pack the ground and sort by the halls that remain beside their yards.

    In every direction coarsely, then well in the best ``n_fine`` directions; 0 for the coarse answer.
    """
    def best_of(direction: float) -> float:
        return max(_worth(s, settings) for s in coarse[direction])

    coarse = {d: pack_rows(ground, d, settings, weights, is_coarse=True) for d in directions}
    if n_fine == 0:
        return _sorted([packed for found in coarse.values() for packed in found], settings)
    chosen = sorted(directions, key=lambda d: -round(best_of(d), 9))[:n_fine]
    return _sorted([packed for d in chosen for packed in pack_rows(ground, d, settings, weights)], settings)


def _worth(stretches: Stretches, settings: LayoutSettings) -> float:
    areas = yards_for(settings.max_floors, settings)
    mva = settings.site_mva(settings.max_floors * settings.racks_per_floor * settings.rack_density_kw)
    substation_m2 = mva * settings.substation_yard_m2_per_mva
    return worth(stretches, substation_m2 + areas["cooling_yard"] + areas["diesel_yard"], settings)


def _filled(ground: Any, stretches: Stretches, directions: tuple[float, ...],
            settings: LayoutSettings) -> Stretches:
    """Add rows, in whatever direction, where a packing leaves room."""
    least_m2 = settings.min_yard_side_m ** 2
    for _ in range(_N_FILLS):
        left = remaining(ground, [s.outline() for s in stretches], settings.gap_m)
        if left.area < least_m2:
            break
        more = _ranked(left, directions, settings, _CUT_WEIGHTS, 1)[0]
        if not more:
            break
        stretches += more
    return stretches


def _packed_apart(ground: Any, cut: Any, directions: tuple[float, ...], settings: LayoutSettings,
                  n_fine: int) -> Stretches:
    """Pack the pieces on either side of a cut, the largest first; a later one keeps the gap to those before."""
    parts = shapely.get_parts(shapely.difference(ground, shapely.buffer(cut, 1e-3)))
    stretches: Stretches = ()
    for piece in sorted(parts, key=lambda p: -round(p.area, 6)):
        free = remaining(piece, [s.outline() for s in stretches], settings.gap_m)
        stretches += _ranked(free, directions, settings, _CUT_WEIGHTS, n_fine)[0]
    return stretches


def refined(ground: Any, modules: list[Any], turns: list[float], settings: LayoutSettings, most: int,
            feed: tuple[float, float] | None,
            best: tuple[int, Arrangement | None]) -> tuple[int, Arrangement | None]:
    """Win further floors, one after another, by giving yards all the ground that halls leave.

    Modules that are not needed are given up around one of them, and rows for yards are packed anew in
    what is then free: across the rows of halls, and in pockets too small for a row of modules.
    """
    n_floors, arrangement = best
    while n_floors < min(most, len(modules) * settings.max_floors):
        found = _with_one_more(ground, modules, turns, settings, n_floors + 1, feed)
        if found is None:
            break
        n_floors, arrangement = n_floors + 1, found
    return n_floors, arrangement


def _with_one_more(ground: Any, modules: list[Any], turns: list[float], settings: LayoutSettings,
                   n_floors: int, feed: tuple[float, float] | None) -> Arrangement | None:
    n_halls, areas = halls_for(n_floors, settings), yards_for(n_floors, settings)
    middles = [(m.centroid.x, m.centroid.y) for m in modules]
    seeds = by_distance(modules, feed)[:max(1, len(modules) // 3)] if feed else list(range(len(modules)))
    seen = set()
    for seed in seeds[::max(1, len(seeds) // _MAX_SEEDS)]:
        kept = tuple(sorted(by_distance(modules, middles[seed])[len(modules) - n_halls:]))
        if kept in seen:
            continue
        seen.add(kept)
        halls = [modules[i] for i in kept]
        free = remaining(ground, halls, settings.gap_m)
        if free.area < sum(areas.values()):
            continue
        for turn in turns:
            rows = pack_rows(free, turn, settings, (1.0,), has_halls=False)[0]
            yards = arrange(rows, 0, areas, settings, feed)
            if yards is not None:
                return Arrangement(tuple(halls), yards.yards, yards.feed_distance_m)
    return None


def _cuts(ground: Any) -> list[Any]:
    """List the ways to cut an arm off: each inward corner, extended along either of its edges, longest edges first."""
    outline = shapely.simplify(ground, 1.0)
    reach_m = float(np.hypot(*(np.array(ground.bounds[2:]) - np.array(ground.bounds[:2]))))
    found: list[tuple[float, Any]] = []
    for corner, step in _inward_corners(outline):
        length = float(np.hypot(*step))
        far = corner + step / length * reach_m
        chord = shapely.intersection(shapely.linestrings([corner, far]), ground)
        parts = [p for p in shapely.get_parts(chord) if p.geom_type == "LineString" and p.length > 1.0
                 and p.distance(shapely.points(corner)) < 2.0]
        found += [(length, p) for p in parts[:1]]
    found.sort(key=lambda f: (-round(f[0], 6), f[1].bounds))
    return [chord for _, chord in found[:_MAX_CUTS]]


def _inward_corners(outline: Any) -> Iterator[tuple[Any, Any]]:
    """Yield corners where the ground turns inward, once with the edge that comes in, once against the one that goes."""
    for polygon in shapely.get_parts(outline):
        for ring in shapely.get_rings(shapely.orient_polygons(polygon)):
            edges = edges_of(shapely.polygons(ring))
            step = edges[:, 2:] - edges[:, :2]
            onward = np.roll(step, -1, axis=0)
            norm = np.hypot(step[:, 0], step[:, 1]) * np.hypot(onward[:, 0], onward[:, 1])
            turn = (step[:, 0] * onward[:, 1] - step[:, 1] * onward[:, 0]) / np.where(norm > 0.0, norm, 1.0)
            for i in np.flatnonzero(turn < -_MIN_TURN):
                yield edges[i, 2:], step[i]
                yield edges[i, 2:], -onward[i]
