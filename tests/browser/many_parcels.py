"""A study of any number of parcels, made from the small one: sixteen criteria that vary smoothly over the ground."""

from __future__ import annotations

import dataclasses

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from siting.census import count_all
from siting.pack import Criterion
from siting.scoring import rank_of, score_of
from siting.types import SiteScores, StudyResult

N_DISTANCES = 12
CELL_M = 90.0


def repeated(result: StudyResult, n: int) -> StudyResult:
    """Return a study of n parcels; some have a hole or two parts, some were not measured everywhere."""
    rng = np.random.default_rng(8)
    row, column = np.divmod(np.arange(n), int(np.ceil(np.sqrt(n))))
    corner = np.column_stack([430_000.0 + CELL_M * column, 3_820_000.0 + CELL_M * row]) + rng.uniform(0, 9, (n, 2))
    shapes = _shapes(corner, rng.uniform(30.0, 70.0, (n, 2)))
    pick = rng.integers(0, 32, n)
    candidates = gpd.GeoDataFrame(result.candidates.drop(columns="geometry").iloc[pick].reset_index(drop=True),
                                  geometry=shapes, crs=result.candidates.crs)
    candidates["parcel_id"] = [f"P{i:07d}" for i in range(n)]
    candidates["area_m2"] = shapely.area(shapes)
    distances = np.column_stack([_nearest(corner, rng) for _ in range(N_DISTANCES)])
    distances[rng.random(distances.shape) < 0.01] = np.nan
    scores = tuple(_scores(own, pick, distances, candidates) for own in result.scores)
    return dataclasses.replace(result, candidates=candidates, scores=scores, census=count_all(candidates, scores))


def _shapes(corner: NDArray[np.float64], size: NDArray[np.float64]) -> NDArray[np.object_]:
    (x, y), (width, height) = corner.T, size.T
    shapes = shapely.box(x, y, x + width, y + height)
    holed, parted = slice(0, None, 50), slice(7, None, 70)
    hole = shapely.box(x + 0.3 * width, y + 0.3 * height, x + 0.6 * width, y + 0.6 * height)
    shapes[holed] = shapely.difference(shapes[holed], hole[holed])
    halves = shapely.box(x + 0.7 * width, y, x + width, y + 0.4 * height)
    small = shapely.box(x, y, x + 0.5 * width, y + height)
    shapes[parted] = shapely.union(small[parted], halves[parted])
    return shapes


def _nearest(corner: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the distance to the nearest of a dozen places, m."""
    from scipy.spatial import KDTree

    places = rng.uniform(corner.min(axis=0), corner.max(axis=0) + 1.0, (12, 2))
    distance, _ = KDTree(places).query(corner)
    return np.asarray(distance, dtype=np.float64)


def _scores(own: SiteScores, pick: NDArray[np.int64], distances: NDArray[np.float64], candidates: gpd.GeoDataFrame
            ) -> SiteScores:
    criteria = (*(dataclasses.replace(c, weight=0.5 * c.weight) for c in own.criteria), *(
        Criterion(criterion_id=f"distance_{i}_m", site_class=own.site_class.class_id, weight=0.5 / N_DISTANCES,
                  worst=4_000.0 + 500.0 * i, best=0.0, unit="m", objective="MIN", citation=own.criteria[0].citation)
        for i in range(N_DISTANCES)))
    raw = np.column_stack([own.raw[pick], distances])
    score, coverage = score_of(raw, criteria)
    table = dataclasses.replace(own.exclusions, measured=own.exclusions.measured[pick],
                                shortfall=own.exclusions.shortfall[pick])
    ids = candidates["parcel_id"].to_numpy(dtype=object)
    return dataclasses.replace(own, criteria=criteria, raw=raw, exclusions=table, score=score,
                               rank=rank_of(score, table.eligible, ids), data_coverage=coverage,
                               permissions=tuple(own.permissions[p] for p in pick))
