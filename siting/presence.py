"""Do the named data centres stand where the plan and the scores would have them: the presence test.

The positions are known to kilometres and the centres are few, so that no curve of hits and misses can be drawn: what
can be asked is whether random placement by area would do as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from gis.bilingual import Text
from gis.crs import WGS84, to_metric
from siting.pack import NamedPlace
from siting.types import SiteScores, StudyResult
from siting.verdicts import VERDICT_TEXT, Verdict

Floats = NDArray[np.float64]

SIGNIFICANT = 0.05
"""Chance below which a placement is not put down to luck."""

N_PLACEMENTS = 499
"""Random placements that the data centres are compared with."""

_MOST_CANDIDATES = 4000
_LEAST_RADIUS_M = 1000.0
_KNOWN = ("high", "medium")


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceTest:
    """Whether the named data centres stand where the plan and the scores would have them."""

    n_places: int
    """Data centres whose zone is known or can be guessed from a position with its error."""
    n_confident: int
    """Those of high or medium confidence."""
    area_share: float
    """Share of the study area that lies in zones where the class is favoured."""
    expected_by_area: float
    """Data centres that random placement by area would put there."""
    found: float
    """Data centres that are there (a position with an error counts in parts)."""
    chance: float
    """Chance of so many or more under random placement by area."""
    chance_confident: float
    """The same for those of high or medium confidence alone; NaN without any."""
    score_percentile: float
    """Mean percentile of the scores around the data centres, 0 to 1; NaN where none has a position."""
    score_chance: float
    """Chance of so high a mean under random placement by area."""
    verdict: Verdict

    @property
    def text(self) -> Text:
        """Say what was found and what it is worth."""
        word, percentile = VERDICT_TEXT[self.verdict], f"{self.score_percentile:.0%}"
        every, sure = _chance_word(self.chance), _chance_word(self.chance_confident)
        told = "" if np.isnan(self.score_percentile) else (
            f"其周边得分平均高于 {percentile} 的候选对象（随机不低于此的概率 {self.score_chance:.3f}）。")
        told_en = "" if np.isnan(self.score_percentile) else (
            f" Scores around them are above {percentile} of all candidates on average (chance "
            f"{self.score_chance:.3f}).")
        return Text(
            zh=f"存在检验：{word.zh}。{self.n_places} 个点名数据中心中约 {self.found:.1f} 个位于鼓励布局分区"
               f"（占面积 {self.area_share:.0%}，随机应为 {self.expected_by_area:.1f} 个；随机达到的概率 "
               f"{every}，仅取位置可信的 {self.n_confident} 个时为 {sure}）。"
               f"{told}数量少、位置粗，且分区本身即依现状划定，只能说明不矛盾。",
            en=f"Presence test: {word.en}. About {self.found:.1f} of {self.n_places} named data centres stand in zones "
               f"where the class is favoured ({self.area_share:.0%} of the area; random placement would put "
               f"{self.expected_by_area:.1f} there; chance {every}, and "
               f"{sure} for the {self.n_confident} with a trusted position).{told_en} "
               "They are few and roughly placed, and the zones were drawn around what existed: this shows that "
               "nothing contradicts, and no more.")


def presence_test(result: StudyResult, *, n_placements: int = N_PLACEMENTS,
                  seed: int = 20260101) -> PresenceTest | None:
    """Compare where the named data centres stand with random placement by area.

    By zone the chance is exact: the centres in favoured zones are a sum of independent chances (one where the plan
    names the unit, the share of the error disc in favoured zones else), and random placement is binomial. By score,
    the mean percentile around the centres is compared with that around as many random candidates, drawn by area.
    """
    places = [p for p in result.pack.places if p.kind == "data_centre" and (p.unit_id or p.lon is not None)]
    scores = _tested_class(result)
    favoured = {z.zone_id for z in result.pack.zones if result.pack.permission(
        z.zone_id, scores.site_class.development_type).permission == "favoured"}
    area = shapely.area(np.asarray(result.units.geometry.array, dtype=object))
    is_favoured = result.units["zone_id"].isin(favoured).to_numpy()
    share = float(area[is_favoured].sum() / area.sum()) if area.sum() > 0 else 0.0
    if not places or not 0.0 < share < 1.0:
        return None
    inside = shapely.union_all(np.asarray(result.units.geometry.array, dtype=object)[is_favoured])
    unit_zone = {u.unit_id: u.zone_id for u in result.pack.units}
    chances = np.array([_chance_inside(p, unit_zone, favoured, inside, result.city_layers.metric_crs) for p in places])
    sure = np.array([p.confidence in _KNOWN for p in places])
    chance = chance_of_as_many(chances, share)
    confident = chance_of_as_many(chances[sure], share) if sure.any() else float("nan")
    # Among the best candidates alone no place has a percentile of all.
    is_whole = result.census_for(scores.site_class.class_id).n_candidates <= len(result.candidates)
    percentile, score_chance = (_percentiles(result, scores, places, n_placements, seed) if is_whole
                                else (float("nan"), float("nan")))
    verdict: Verdict = "disagrees" if chance > 0.5 else "in_part"
    if chance <= SIGNIFICANT and (confident <= SIGNIFICANT or not sure.any()):
        verdict = "agrees"
    return PresenceTest(
        n_places=len(places), n_confident=int(sure.sum()), area_share=share, expected_by_area=share * len(places),
        found=float(chances.sum()), chance=chance, chance_confident=confident, score_percentile=percentile,
        score_chance=score_chance, verdict=verdict)


def _chance_word(chance: float) -> str:
    return "–" if np.isnan(chance) else "< 0.0001" if chance < 0.0001 else f"{chance:.4f}"


def _tested_class(result: StudyResult) -> SiteScores:
    """Return the scores of the class that capacity is laid out for, else those of the largest class."""
    wanted = result.pack.capacity.site_class if result.pack.capacity else ""
    largest = max(result.scores, key=lambda s: s.site_class.min_standard_racks)
    return next((s for s in result.scores if s.site_class.class_id == wanted), largest)


def _chance_inside(place: NamedPlace, unit_zone: Mapping[str, str], favoured: set[str],
                   inside: shapely.Geometry, crs: str) -> float:
    if place.unit_id in unit_zone:
        return float(unit_zone[place.unit_id] in favoured)
    if place.lon is None or place.lat is None:
        return 0.0
    disc = shapely.buffer(_position(place, crs), _radius_m(place))
    return float(shapely.area(shapely.intersection(disc, inside)) / shapely.area(disc))


def _position(place: NamedPlace, crs: str) -> shapely.Geometry:
    point = gpd.GeoDataFrame(geometry=gpd.points_from_xy([place.lon], [place.lat]), crs=WGS84)
    position: shapely.Geometry = to_metric(point, crs).geometry.iloc[0]
    return position


def _radius_m(place: NamedPlace) -> float:
    return max(_LEAST_RADIUS_M, (place.error_radius_km or 0.0) * 1000.0)


def chance_of_as_many(chances: Floats, share: float) -> float:
    """Return the chance that random placement puts as many into a part of the area as are there.

    Parameters
    ----------
    chances
        Per centre, the chance that it is there: 0 or 1 where known.
    share
        Part of the area.

    Returns
    -------
    The mean over what may be observed of the binomial chance of so many or more; exact.
    """
    observed = np.ones(1)
    for chance in chances.tolist():
        observed = np.append(observed * (1.0 - chance), 0.0) + np.append(0.0, observed * chance)
    n = len(chances)
    by_area = np.ones(1)
    for _ in range(n):
        by_area = np.append(by_area * (1.0 - share), 0.0) + np.append(0.0, by_area * share)
    at_least = np.cumsum(by_area[::-1])[::-1]
    return float(np.clip(observed @ at_least, 0.0, 1.0))


def _percentiles(result: StudyResult, scores: SiteScores, places: Sequence[NamedPlace], n: int,
                 seed: int) -> tuple[float, float]:
    """Return the mean percentile of scores around the places, and the chance of so much under random placement."""
    located = [p for p in places if p.lon is not None]
    rows = np.arange(len(scores.score))
    generator = np.random.default_rng(seed)
    if len(rows) > _MOST_CANDIDATES:
        rows = np.sort(generator.choice(rows, _MOST_CANDIDATES, replace=False))
    frame: gpd.GeoDataFrame = result.candidates
    xy = shapely.get_coordinates(shapely.centroid(np.asarray(frame.geometry.array[rows], dtype=object)))
    area = frame["area_m2"].to_numpy(dtype=np.float64)[rows]
    order = np.argsort(scores.score[rows], kind="stable")
    percentile = np.empty(len(rows))
    percentile[order] = (np.arange(len(rows)) + 0.5) / len(rows)
    own, drawn = [], []
    for place in located:
        here = shapely.get_coordinates(_position(place, result.city_layers.metric_crs))
        found = _mean_around(here, xy, area, percentile, _radius_m(place))[0]
        if np.isnan(found):
            continue
        centres = xy[generator.choice(len(rows), n, p=area / area.sum())]
        own.append(found)
        drawn.append(_mean_around(centres, xy, area, percentile, _radius_m(place)))
    if not own:
        return float("nan"), float("nan")
    mean = float(np.mean(own))
    return mean, float((1 + (np.mean(drawn, axis=0) >= mean).sum()) / (n + 1))


def _mean_around(centres: Floats, xy: Floats, area: Floats, values: Floats, radius_m: float) -> Floats:
    """Return the mean of the values within a radius of each centre, weighed by area; NaN where there are none."""
    away = (centres[:, None, 0] - xy[None, :, 0]) ** 2 + (centres[:, None, 1] - xy[None, :, 1]) ** 2
    near = (away <= radius_m**2) * area
    total = near.sum(axis=1)
    return np.asarray(np.divide(near @ values, total, out=np.full(len(centres), np.nan), where=total > 0))


