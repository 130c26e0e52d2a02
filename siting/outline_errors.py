"""Candidates near the outline of a zone that is only approximately drawn: how far it may be off, and what lies beyond.

An outline is moved as a whole, outwards or inwards, by the draw: candidates that lie near the same outline change sides
together. Its standard error is the distance by which the outline has to move for the area to change by the error that
is stated for it (area over length of the outline, times the share), or half its error radius where the layer gives one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from gis.bilingual import Text
from layers.types import CityLayers
from siting.criteria import PERMISSION_FIT
from siting.pack import CityPack, Criterion, SiteClass
from siting.permissions import permissions_in

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

AREA_ERROR = 0.1
"""By what share the area of an approximate outline may differ from the true one, where its layer states no error."""

RADIUS_SPREADS = 2.0
"""An error radius is read as two standard errors of the position in any one direction."""

FARTHEST = 4.0
"""Standard errors beyond which an outline is not thought to be off."""

_LEAST_M = 1e-3


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class NearOutlines:
    """Which of some candidates lie near an approximate outline, and what they would be on its other side."""

    units: tuple[str, ...]
    """Units whose outlines are approximate."""
    error_m: Floats
    """Standard error of each outline, shape (u,)."""
    outline: Integers
    """Per candidate the outline that parts it, -1 for none within ``FARTHEST`` standard errors; shape (n,)."""
    away_m: Floats
    """How far it would have to move, outwards positive, for the candidate to change sides; shape (n,)."""
    other_zone: NDArray[np.object_]
    """Zone on the other side; shape (n,)."""
    other_unit: NDArray[np.object_]
    """Unit on the other side; shape (n,)."""

    def offsets(self, n_draws: int, seed: int) -> Floats:
        """Draw how far each outline is moved, draws x outlines; the first draw is as given."""
        drawn = np.random.default_rng([seed, 2]).normal(0.0, 1.0, (n_draws, len(self.units))) * self.error_m
        drawn[:1] = 0.0
        return np.asarray(drawn, dtype=np.float64)

    @property
    def facts(self) -> tuple[Text, ...]:
        """Say which outlines were moved, and by how much."""
        if not len(self.units):
            return ()
        least, most, n = self.error_m.min(), self.error_m.max(), int((self.outline >= 0).sum())
        return (Text(zh=f"{len(self.units)} 条近似的功能区界线整体内外移动，标准误差 {least:.0f}–{most:.0f} 米；"
                        f"{n} 个候选对象可能属于界线另一侧，其许可、政策契合度与地价随之变动。行政区界线未变动。",
                     en=f"{len(self.units)} approximate outlines of functional zones move in and out as a whole, with "
                        f"a standard error of {least:.0f} to {most:.0f} m; {n} candidates may belong beyond one; "
                        "permission, policy fit and land price go with it. Outlines of districts were not moved."),)


def near_outlines(candidates: gpd.GeoDataFrame, units: gpd.GeoDataFrame, city_layers: CityLayers) -> NearOutlines:
    """Find the candidates that lie near an approximate outline of a functional zone.

    A candidate inside such a zone would fall to the nearest other unit, one outside to the nearest such zone. Its
    middle is what counts: a large parcel across a line belongs where most of it lies, and so does its middle.

    Parameters
    ----------
    candidates
        ``n`` polygons with ``unit_id``, in the metric CRS.
    units
        Of the city's plan (``siting.zones.build_units``).
    city_layers
        Holds the layer ``zones``, whose ``error_radius_km`` says how far an outline may be off.
    """
    is_moved = ((units["kind"] == "functional_zone") & (units["certainty"].astype(str) == "approximate")).to_numpy()
    moved = np.flatnonzero(is_moved)
    shapes = np.asarray(units.geometry.array, dtype=object)
    error_m = np.array([_error_m(units, int(u), city_layers) for u in moved])
    n = len(candidates)
    outline, away_m, other = np.full(n, -1, dtype=np.int64), np.zeros(n), np.full(n, -1, dtype=np.int64)
    if len(moved) and n:
        middle = shapely.centroid(np.asarray(candidates.geometry.array, dtype=object))
        own = pd.Index(units["unit_id"].astype(str)).get_indexer(candidates["unit_id"].astype(str))
        close = _within_reach(middle, shapes[moved], error_m)
        for place, unit in enumerate(moved.tolist()):
            rows = close[own[close] == unit]
            beyond = np.flatnonzero(np.arange(len(shapes)) != unit)
            found, distance_m = _nearest(middle[rows], shapes[beyond])
            _note(rows, np.full(len(rows), place), -distance_m, beyond[found], error_m, outline, away_m, other)
        rows = close[~is_moved[own[close]] | (own[close] < 0)]
        found, distance_m = _nearest(middle[rows], shapes[moved])
        _note(rows, found, distance_m, moved[found], error_m, outline, away_m, other)
    zones, names = (np.array([*units[c].astype(str), ""], dtype=object)[other] for c in ("zone_id", "unit_id"))
    return NearOutlines(units=tuple(units["unit_id"].astype(str).iloc[moved]), error_m=error_m, outline=outline,
                        away_m=away_m, other_zone=zones, other_unit=names)


def _error_m(units: gpd.GeoDataFrame, unit: int, city_layers: CityLayers) -> float:
    """Return the standard error of the outline of a unit, metres."""
    frame = city_layers.frames.get("zones")
    if frame is not None and "error_radius_km" in frame.columns:
        own = frame["unit_id"].astype(str) == str(units["unit_id"].iloc[unit])
        stated = pd.to_numeric(frame.loc[own, "error_radius_km"], errors="coerce").max()
        if np.isfinite(stated):
            return float(stated) * 1e3 / RADIUS_SPREADS
    shape = units.geometry.iloc[unit]
    return float(AREA_ERROR * shape.area / shape.length)


def _within_reach(middle: NDArray[np.object_], shapes: NDArray[np.object_], error_m: Floats) -> Integers:
    """Return the points that lie near any of the outlines: the others need no exact distance."""
    tree = shapely.STRtree(middle)
    near = [tree.query(line, predicate="dwithin", distance=FARTHEST * error)
            for line, error in zip(shapely.boundary(shapes), error_m.tolist(), strict=True)]
    return np.unique(np.concatenate(near)).astype(np.int64)


def _nearest(points: NDArray[np.object_], shapes: NDArray[np.object_]) -> tuple[Integers, Floats]:
    """Return the nearest shape of each point (the first of equals) and its distance, metres."""
    away = np.array([shapely.distance(points, shape) for shape in shapes]).reshape(len(shapes), len(points))
    found = away.argmin(axis=0) if len(shapes) else np.zeros(0, dtype=np.int64)
    return np.asarray(found, dtype=np.int64), away[found, np.arange(len(points))]


def _note(rows: Integers, place: Integers, away: Floats, unit: Integers, error_m: Floats, outline: Integers,
          away_m: Floats, other: Integers) -> None:
    """Write down what was found for some candidates, where the outline can be off so far."""
    # A middle that lies beyond its own outline already (a parcel across it) changes sides with the least move.
    is_near = np.abs(away) <= FARTHEST * error_m[place]
    side = np.where(np.signbit(away), -1.0, 1.0)
    outline[rows[is_near]] = place[is_near]
    away_m[rows[is_near]] = (side * np.maximum(np.abs(away), _LEAST_M))[is_near]
    other[rows[is_near]] = unit[is_near]


def values_beyond(near: NearOutlines, candidates: gpd.GeoDataFrame, pack: CityPack, site_class: SiteClass,
                  criteria: Sequence[Criterion]) -> tuple[tuple[int, ...], Floats, Booleans]:
    """Return what candidates would be on the other side of the outline.

    Parameters
    ----------
    near
        Of :func:`near_outlines`.
    candidates
        The same ones.
    pack
        What zones allow, and the price levels of units.
    site_class, criteria
        The class that is scored, and its criteria.

    Returns
    -------
    tuple
        Criteria that depend on the zone (columns), their raw values there (n x columns), and whether policy closes
        the zone there.
    """
    allowed = permissions_in(pd.Series(near.other_zone), pack, site_class.development_type)
    fit = allowed.looked_up([PERMISSION_FIT[p.permission] for p in allowed.table], missing=np.nan)
    is_closed = allowed.looked_up([float(p.permission == "closed") for p in allowed.table], missing=1.0) > 0.0
    levels = {u.unit_id: u.land_price_level for u in pack.units}
    level = pd.to_numeric(pd.Series(near.other_unit).map(levels), errors="coerce").to_numpy(dtype=np.float64)
    if "land_price_level" in candidates.columns:
        stated = pd.to_numeric(candidates["land_price_level"], errors="coerce").to_numpy(dtype=np.float64)
        level = np.where(np.isfinite(stated), stated, level)
    found = {"policy_fit": fit, "land_price_level": level}
    columns = tuple(j for j, c in enumerate(criteria) if c.criterion_id in found)
    raw = np.column_stack([found[criteria[j].criterion_id] for j in columns]) if columns else np.empty((len(level), 0))
    return columns, np.asarray(raw, dtype=np.float64), np.asarray(is_closed, dtype=np.bool_)
