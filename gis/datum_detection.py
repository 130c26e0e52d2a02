"""Which datum the degrees of a layer are in, by comparison with something whose datum is known.

Nothing in a file of longitudes and latitudes says whether it is in WGS84, GCJ-02 or BD-09, but
each would put it 300 to 1300 m elsewhere. So the layer is moved to WGS84 as if it were in each of
the three, and every move is judged by a reference: features of the same name, outlines of the same
districts or lines, or the district in which each point says it lies.

The answer is evidence for a planner who declares the datum; nothing is moved here. Where the three
cannot be told apart, the finding says so and names none.

CGCS2000 and WGS84 differ by less than a metre: the hypothesis ``wgs84`` stands for both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from gis.bilingual import Text
from gis.datum import Datum, LonLat, bd09_to_wgs84, gcj02_to_wgs84
from gis.line_fit import Fit, LineIndex, cost_m, fit

Floats = NDArray[np.float64]
Confidence = Literal["sure", "likely", "unclear"]


HYPOTHESES: Mapping[Datum, Callable[[ArrayLike, ArrayLike], LonLat]] = MappingProxyType({
    "wgs84": lambda lon, lat: (np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)),
    "gcj02": gcj02_to_wgs84, "bd09": bd09_to_wgs84})
"""What is compared, each with its way to WGS84."""

DATUM_TITLES: Mapping[str, Text] = MappingProxyType({
    "wgs84": Text(zh="WGS84/CGCS2000", en="WGS84/CGCS2000"), "gcj02": Text(zh="GCJ-02", en="GCJ-02"),
    "bd09": Text(zh="BD-09", en="BD-09")})

_DATUMS: tuple[Datum, ...] = tuple(HYPOTHESES)
_METRES_PER_DEGREE = 111_195.0

# Two hypotheses are never closer than 300 m; a best one that is further off than half of that is none.
_SURE_RESIDUAL_M, _LIKELY_RESIDUAL_M = 150.0, 250.0
_SURE_RATIO, _LIKELY_RATIO = 2.0, 1.5
_SURE_CHANCE, _LIKELY_CHANCE = 0.01, 0.05

_MATCH_M = 5_000.0  # a pair of one name further apart than this is not one feature
_N_SAMPLES, _N_FOLDS, _RUNS_PER_FOLD = 1200, 8, 5
_FEWEST_SAMPLES = 24
_NEAR_LINES_M = 1_000.0
_CONTROL_RADII_M, _N_DIRECTIONS = (500.0, 900.0), 12
_SURE_CONTRAST, _LIKELY_CONTRAST = 1.5, 1.25
_CELL_DEGREES = 0.002
_FARTHEST_OUTSIDE_M = 2_000.0
_SURE_SHARE, _LIKELY_SHARE = 0.9, 0.8
_MAX_POINTS = 6_000


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """How well the layer fits the reference if it is in one datum."""

    datum: Datum
    """``wgs84`` (which stands for CGCS2000 too), ``gcj02`` or ``bd09``."""

    residual_m: float
    """What is left between layer and reference; NaN where nothing could be measured."""

    n_used: int
    """Pairs, samples or points that were compared."""


@dataclass(frozen=True, slots=True)
class DatumFinding:
    """What a comparison says of the datum of a layer."""

    hypotheses: tuple[Hypothesis, ...]
    """One per datum, in the order of ``HYPOTHESES``."""

    likely: Datum | None
    """The datum that fits; None where the finding is unclear."""

    confidence: Confidence
    """``sure``, ``likely``, or ``unclear``: then no datum is named."""

    method: str
    """``names``, ``lines``, ``districts``, or ``none``."""

    text: Text
    """The finding with its figures, in words."""

    @property
    def residuals_m(self) -> dict[str, float]:
        """Residual by datum."""
        return {found.datum: found.residual_m for found in self.hypotheses}


def compare_named(lon: ArrayLike, lat: ArrayLike, reference_lon: ArrayLike, reference_lat: ArrayLike) -> DatumFinding:
    """Compare features with the features of the same name in the reference.

    Parameters
    ----------
    lon, lat
        Degrees in the unknown datum, shape (n,).
    reference_lon, reference_lat
        WGS84 degrees of the counterparts, shape (n,). Pairs more than 5 km apart under every
        hypothesis are taken for two features of one name and left out.

    Returns
    -------
    DatumFinding
        The residual is the median distance of the pairs. Each pair votes for the nearer hypothesis;
        the chance that so many agree by accident must be below 1 in 100 (sure) or 1 in 20 (likely).
    """
    reference = np.column_stack([reference_lon, reference_lat]).astype(np.float64)
    latitude = float(np.median(reference[:, 1])) if len(reference) else 0.0
    goal = _local(reference, latitude)
    distance = np.stack([np.hypot(*(_local(np.column_stack(move(lon, lat)), latitude) - goal).T)
                         for move in HYPOTHESES.values()], axis=-1).reshape(-1, len(_DATUMS))
    distance = distance[np.nan_to_num(distance, nan=np.inf).min(axis=1) < _MATCH_M]
    if len(distance) < 3:
        return _nothing("names", Text(zh=f"同名要素只有 {len(distance)} 对，不足以判断",
                                      en=f"only {len(distance)} features share a name with the reference: too few"))
    residuals = np.median(distance, axis=0)
    what = Text(zh=f"{len(distance)} 对同名要素的中位距离",
                en=f"median distance of {len(distance)} features of one name")
    return _judged("names", residuals, distance, len(distance), what)


def compare_lines(geometries: ArrayLike, reference: ArrayLike) -> DatumFinding:
    """Compare points, lines or outlines with lines or outlines of the reference.

    Parameters
    ----------
    geometries
        Shapely geometries in degrees of the unknown datum. Points must lie on the reference's lines
        (stations on a metro line), lines and outlines must be the same things as in the reference.
    reference
        Shapely lines or polygons, WGS84 degrees.

    Returns
    -------
    DatumFinding
        The residual is the median distance between where a hypothesis puts the samples and where
        they fit the reference best; a reference that is simplified by 100 m blurs the fit, not the
        place of its optimum. It is unclear where the fit is hardly better than at shifts that no
        datum explains, where two places fit alike, or where the parts of the layer disagree.
    """
    samples = _samples(np.atleast_1d(np.asarray(geometries, dtype=object)))
    starts, ends = _pieces(np.atleast_1d(np.asarray(reference, dtype=object)))
    if len(samples) < _FEWEST_SAMPLES or len(starts) == 0:
        return _nothing("lines", Text(zh="可比较的线或点太少", en="too few lines or points to compare"))
    latitude = float(np.median(starts[:, 1]))
    index = LineIndex(_local(starts, latitude), _local(ends, latitude))
    places = np.stack([_local(np.column_stack(move(samples[:, 0], samples[:, 1])), latitude)
                       for move in HYPOTHESES.values()])
    places = _near_lines(places, index)
    if places.shape[1] < _FEWEST_SAMPLES:
        return _nothing("lines", Text(zh="与参照线相距 1 km 以上", en="more than 1 km from every reference line"))
    return _fitted(places, index)


def compare_districts(lon: ArrayLike, lat: ArrayLike, stated: ArrayLike, districts: ArrayLike) -> DatumFinding:
    """Compare points with the district in which each says it lies.

    Parameters
    ----------
    lon, lat
        Degrees in the unknown datum, shape (n,).
    stated
        Index into ``districts`` for each point, shape (n,); -1 for none.
    districts
        Shapely polygons, WGS84 degrees.

    Returns
    -------
    DatumFinding
        The residual is the mean distance to the stated district (0 inside, 2 km at most). Points
        that are inside under one hypothesis and outside under another decide, one per 200 m cell.
    """
    polygons = np.atleast_1d(np.asarray(districts, dtype=object))
    raw = np.column_stack([lon, lat]).astype(np.float64)
    home = np.asarray(stated, dtype=np.intp)
    usable = np.flatnonzero((home >= 0) & np.isfinite(raw).all(axis=1))
    cells = np.column_stack([np.floor(raw[usable] / _CELL_DEGREES).astype(np.int64), home[usable]])
    rows = usable[np.sort(np.unique(cells, axis=0, return_index=True)[1])] if len(usable) else usable
    rows = rows[:: max(1, math.ceil(len(rows) / _MAX_POINTS))]
    if len(rows) < 20:
        return _nothing("districts", Text(zh=f"写明所在区县的点只有 {len(rows)} 个，不足以判断",
                                          en=f"only {len(rows)} points state their district: too few"))
    outside = np.stack([_outside_m(np.column_stack(move(raw[rows, 0], raw[rows, 1])), polygons[home[rows]])
                        for move in HYPOTHESES.values()], axis=1)
    shares = (outside == 0.0).mean(axis=0)
    said = ", ".join(f"{DATUM_TITLES[datum].en} {share:.1%}" for datum, share in zip(_DATUMS, shares, strict=True))
    what = Text(zh=f"{len(rows)} 个点落在其所写区县内的比例：{said}；到该区县的平均距离",
                en=f"share of {len(rows)} points inside the district they state: {said}; mean distance to it")
    return _judged("districts", outside.mean(axis=0), outside, len(rows), what, ratios=(1.0, 1.0),
                   is_sure=float(shares.max()) >= _SURE_SHARE, is_likely=float(shares.max()) >= _LIKELY_SHARE)


def combined(findings: Sequence[DatumFinding]) -> DatumFinding:
    """Return the best of several findings on one layer, or an unclear one where they contradict.

    Parameters
    ----------
    findings
        At least one; the earlier goes first among equals.

    Returns
    -------
    DatumFinding
        The first sure one, else the first likely one, else the first unclear one that measured
        something.

    Raises
    ------
    ValueError
        There is none.
    """
    if not findings:
        raise ValueError("no finding to choose from")
    said = [found for found in findings if found.likely is not None]
    if len({found.likely for found in said}) > 1:
        text = Text(zh="不同方法结论矛盾：" + "；".join(found.text.zh for found in said),
                    en="methods contradict each other: " + "; ".join(found.text.en for found in said))
        return DatumFinding(said[0].hypotheses, None, "unclear", said[0].method, text)
    order: tuple[Confidence, ...] = ("sure", "likely", "unclear")
    return min(findings, key=lambda found: (order.index(found.confidence), math.isnan(found.hypotheses[0].residual_m)))


def no_reference() -> DatumFinding:
    """Return the finding on a layer that nothing can be compared with."""
    return _nothing("none", Text(zh="没有可供比较的同类参照图层",
                                 en="there is nothing of known datum to compare it with"))


def _judged(method: str, residuals: Floats, votes: Floats, n_used: int, what: Text, *, is_sure: bool = True,
            is_likely: bool = True, ratios: tuple[float, float] = (_SURE_RATIO, _LIKELY_RATIO)) -> DatumFinding:
    """Turn residuals, and what each voter (a row of ``votes``) says of each hypothesis, into a finding."""
    order = np.argsort(residuals, kind="stable")
    best, second = float(residuals[order[0]]), float(residuals[order[1]])
    chance = _chance(votes, int(order[0]))
    confidence: Confidence = "unclear"
    if is_likely and best <= _LIKELY_RESIDUAL_M and second >= ratios[1] * best and chance <= _LIKELY_CHANCE:
        confidence = "likely"
        if is_sure and best <= _SURE_RESIDUAL_M and second >= ratios[0] * best and chance <= _SURE_CHANCE:
            confidence = "sure"
    found = tuple(Hypothesis(datum, round(float(residual), 1), n_used)
                  for datum, residual in zip(_DATUMS, residuals, strict=True))
    likely = _DATUMS[order[0]] if confidence != "unclear" else None
    return DatumFinding(found, likely, confidence, method, _in_words(what, found, likely, confidence))


def _in_words(what: Text, found: tuple[Hypothesis, ...], likely: Datum | None, confidence: Confidence) -> Text:
    zh = "、".join(f"{DATUM_TITLES[one.datum].zh} {one.residual_m:.0f} m" for one in found)
    en = ", ".join(f"{DATUM_TITLES[one.datum].en} {one.residual_m:.0f} m" for one in found)
    if likely is None:
        return Text(zh=f"{what.zh}：{zh}；无法区分，请查明后声明", en=f"{what.en}: {en}; they cannot be told apart")
    title = DATUM_TITLES[likely]
    verdict = Text(zh=f"可确定为 {title.zh}" if confidence == "sure" else f"很可能为 {title.zh}",
                   en=f"it is {title.en}" if confidence == "sure" else f"it is likely {title.en}")
    return Text(zh=f"{what.zh}：{zh}；{verdict.zh}", en=f"{what.en}: {en}; {verdict.en}")


def _nothing(method: str, text: Text) -> DatumFinding:
    found = tuple(Hypothesis(datum, math.nan, 0) for datum in _DATUMS)
    return DatumFinding(found, None, "unclear", method, text)


def _chance(votes: Floats, best: int) -> float:
    """Return the chance that so many rows prefer the column ``best`` to another one by accident."""
    worst = 0.0
    for other in range(votes.shape[1]):
        if other != best:
            n_for = int((votes[:, best] < votes[:, other]).sum())
            n_against = int((votes[:, best] > votes[:, other]).sum())
            worst = max(worst, _sign_test(n_for, n_against))
    return worst


def _sign_test(n_for: int, n_against: int) -> float:
    """Return the chance of at least ``n_for`` heads in as many tosses of a fair coin (1 for no toss)."""
    n = n_for + n_against
    return sum(math.comb(n, k) for k in range(n_for, n + 1)) / (1 << n)


def _local(lonlat: Floats, latitude: float) -> Floats:
    """Return degrees as metres on a plane that is true at ``latitude``."""
    return np.asarray(lonlat * (_METRES_PER_DEGREE * np.array([math.cos(math.radians(latitude)), 1.0])))


def _samples(geometries: NDArray[Any]) -> Floats:
    """Return about 1200 places along the geometries in their order, shape (n, 2)."""
    usable = geometries[~(shapely.is_missing(geometries) | shapely.is_empty(geometries))]
    if len(usable) == 0:
        return np.empty((0, 2))
    length = float(shapely.length(usable).sum())
    if length > 0.0:
        usable = shapely.segmentize(usable, length / _N_SAMPLES)
    else:
        # Points have no order of their own; along the longitude, neighbours come to lie in one part.
        usable = usable[np.argsort(shapely.get_x(shapely.centroid(usable)), kind="stable")]
    places = shapely.get_coordinates(usable)
    places = places[np.isfinite(places).all(axis=1)]
    n = min(len(places), _N_SAMPLES)
    return places[np.linspace(0, len(places) - 1, n).astype(np.intp)] if n else places


def _pieces(reference: NDArray[Any]) -> tuple[Floats, Floats]:
    """Return both ends of every straight piece of lines and outlines, each of shape (n, 2)."""
    usable = reference[~(shapely.is_missing(reference) | shapely.is_empty(reference))]
    is_area = shapely.get_dimensions(usable) == 2
    usable = np.concatenate([shapely.boundary(usable[is_area]), usable[shapely.get_dimensions(usable) == 1]])
    parts = shapely.get_parts(usable)
    places, owner = shapely.get_coordinates(parts, return_index=True)
    is_piece = owner[1:] == owner[:-1]
    return places[:-1][is_piece], places[1:][is_piece]


def _near_lines(places: Floats, index: LineIndex) -> Floats:
    """Keep the samples that some hypothesis puts near a line; shape (hypotheses, samples, 2)."""
    distance = np.stack([np.hypot(*index.to_nearest(place)[0].T) for place in places])
    return np.asarray(places[:, distance.min(axis=0) < _NEAR_LINES_M])


def _fitted(places: Floats, index: LineIndex) -> DatumFinding:
    """Judge samples, of shape (hypotheses, samples, 2) in metres, by the lines."""
    fits = [fit(index, place) for place in places]
    residuals, best = _residuals(places, fits)
    folds = _folds(places.shape[1])
    votes = np.stack([_residuals(places[:, fold], [fit(index, place[fold]) for place in places])[0] for fold in folds])
    settled = places[best] + fits[best].shift_m
    contrast = _control_cost_m(index, settled) / max(fits[best].cost_m, 1.0)
    is_unique = _is_unique(places, fits, best)
    what = Text(zh=f"{places.shape[1]} 个取样点与参照线的最佳吻合位置（余差 {fits[best].cost_m:.0f} m）之差",
                en=f"distance from the best fit of {places.shape[1]} samples to the reference "
                   f"(which leaves {fits[best].cost_m:.0f} m)")
    return _judged("lines", residuals, votes, places.shape[1], what,
                   is_sure=is_unique and contrast >= _SURE_CONTRAST,
                   is_likely=is_unique and contrast >= _LIKELY_CONTRAST)


def _residuals(places: Floats, fits: Sequence[Fit]) -> tuple[Floats, int]:
    """Return how far each hypothesis is from the best fit in the median, and which start led there."""
    best = int(np.argmin([found.cost_m for found in fits]))
    apart = places - (places[best] + fits[best].shift_m)
    return np.median(np.hypot(apart[..., 0], apart[..., 1]), axis=1), best


def _folds(n: int) -> list[NDArray[np.intp]]:
    """Divide samples into parts that are made of runs from everywhere, so that each holds both directions."""
    run = np.arange(n) * (_N_FOLDS * _RUNS_PER_FOLD) // n
    return [np.flatnonzero(run % _N_FOLDS == k) for k in range(_N_FOLDS) if (run % _N_FOLDS == k).any()]


def _control_cost_m(index: LineIndex, settled: Floats) -> float:
    """Return the lowest cost at shifts around the fit that no datum explains."""
    angles = np.arange(_N_DIRECTIONS) * (2.0 * np.pi / _N_DIRECTIONS)
    sparse = settled[:: max(1, len(settled) // 300)]
    costs = []
    for radius in _CONTROL_RADII_M:
        for angle in angles:
            shifted = sparse + radius * np.array([np.cos(angle), np.sin(angle)])
            # Whatever is pushed over the edge of the reference is far from its lines for no good reason.
            kept = shifted[index.covers(shifted)]
            costs.append(cost_m(index, kept) if 2 * len(kept) > len(sparse) else np.inf)
    return min(costs) if np.isfinite(min(costs)) else 0.0


def _is_unique(places: Floats, fits: Sequence[Fit], best: int) -> bool:
    """Tell whether no other start ends elsewhere with a fit that is as good."""
    nearest = int(np.argmin(_residuals(places, fits)[0]))
    for start, found in enumerate(fits):
        apart = places - (places[start] + found.shift_m)
        ended = int(np.argmin(np.median(np.hypot(apart[..., 0], apart[..., 1]), axis=1)))
        if ended != nearest and found.cost_m < _LIKELY_CONTRAST * max(fits[best].cost_m, 1.0):
            return False
    return True


def _outside_m(lonlat: Floats, polygons: NDArray[Any]) -> Floats:
    """Return how far each point is outside its own polygon, at most 2 km."""
    latitude = float(np.nanmedian(lonlat[:, 1]))
    shrink = np.array([math.cos(math.radians(latitude)), 1.0])
    unique, owner = np.unique(np.array([id(polygon) for polygon in polygons]), return_inverse=True)
    outside: Floats = np.zeros(len(lonlat))
    for k in range(len(unique)):
        rows = np.flatnonzero(owner == k)
        points = shapely.points(lonlat[rows])
        polygon = polygons[rows[0]]
        shapely.prepare(polygon)
        beyond = ~np.asarray(shapely.intersects(polygon, points))
        stretched = shapely.transform(polygon, lambda places: places * shrink)
        far = shapely.distance(stretched, shapely.points(lonlat[rows][beyond] * shrink)) * _METRES_PER_DEGREE
        outside[rows[beyond]] = np.clip(far, 1e-6, _FARTHEST_OUTSIDE_M)
    return outside
