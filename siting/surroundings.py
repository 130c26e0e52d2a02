"""What lies around each candidate; every question is answered once, whoever asks it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar, cast

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from gis import proximity, vector, zonal
from layers.types import CityLayers
from siting.demand import demand_points

Floats = NDArray[np.float64]
Found = TypeVar("Found")

_LAID_OUT = "laid out"


class Infrastructure:
    """What is there, whichever candidates ask; each selection is made once for the life of this object.

    Parameters
    ----------
    city_layers
        Layers in the metric CRS.
    """

    def __init__(self, city_layers: CityLayers) -> None:
        self.city_layers = city_layers
        self._answers: dict[Hashable, object] = {}

    def features(self, layer: str, column: str = "", values: tuple[str, ...] = ()) -> gpd.GeoDataFrame:
        """Return the features of a layer whose ``column`` holds one of ``values``."""
        def ask() -> gpd.GeoDataFrame:
            frame = self.city_layers.frame(layer)
            if not column:
                return frame
            if column not in frame.columns:
                return frame.iloc[:0]
            return frame[frame[column].astype("string").isin(values)]
        return self.once(("features", layer, column, values), ask)

    def targets(self, layer: str, column: str = "", values: tuple[str, ...] = ()) -> proximity.Targets:
        """Return the features that :meth:`features` selects, laid out to be found."""
        return self.once(("targets", layer, column, values), lambda: proximity.lay_out_targets(
            np.asarray(self.features(layer, column, values).geometry.array)))

    def demand(self) -> gpd.GeoDataFrame | None:
        """Return the demand points, None where nothing tells of demand."""
        return self.once(("demand",), lambda: demand_points(self.city_layers))

    def demand_targets(self) -> proximity.Targets | None:
        """Return the demand points laid out to be found."""
        points = self.demand()
        return None if points is None else self.once(
            ("demand targets",), lambda: proximity.lay_out_targets(np.asarray(points.geometry.array)))

    def corridors(self, layer: str, length_m: float, half_width_m: float) -> proximity.Targets:
        """Return the extended centre lines of runways, as wide as they are kept clear."""
        def ask() -> proximity.Targets:
            lines = np.asarray(self.city_layers.frame(layer).geometry.array)
            return proximity.lay_out_targets(vector.corridors(lines, length_m, half_width_m))
        return self.once(("corridors", layer, length_m, half_width_m), ask)

    def buildings(self) -> tuple[shapely.STRtree, Floats] | None:
        """Return the middles of the buildings and their floor area in m2, 0 where unknown; None without either."""
        def ask() -> tuple[shapely.STRtree, Floats] | None:
            if not self.city_layers.has("buildings"):
                return None
            frame = self.city_layers.frame("buildings")
            if "floor_area_m2" not in frame.columns:
                return None
            middles = shapely.STRtree(np.asarray(frame.geometry.representative_point().array))
            return middles, np.nan_to_num(frame["floor_area_m2"].to_numpy(dtype=np.float64))
        return self.once(("buildings",), ask)

    def once(self, question: Hashable, ask: Callable[[], Found]) -> Found:
        """Return the answer to a question, asked the first time only."""
        if question not in self._answers:
            self._answers[question] = ask()
        return cast("Found", self._answers[question])


class Surroundings:
    """Distances, counts, overlaps and raster statistics of the candidates of one run.

    Exclusion rules and criteria of several classes ask the same things (how far is the railway?);
    each answer is kept for the life of this object. All distances are metres from the edge of the
    candidate, 0 where it is touched.

    Parameters
    ----------
    candidates
        Frame of ``n`` candidates in the metric CRS.
    city_layers
        Layers in the same CRS, or the infrastructure made of them, which other candidates may have asked.
    laid_out
        The candidates' shapes taken apart, where that is done already.
    """

    def __init__(self, candidates: gpd.GeoDataFrame, city_layers: CityLayers | Infrastructure,
                 laid_out: proximity.LaidOut | None = None) -> None:
        self.candidates = candidates
        given = city_layers
        self.infrastructure = given if isinstance(given, Infrastructure) else Infrastructure(given)
        self.city_layers = self.infrastructure.city_layers
        self.geometries = np.asarray(candidates.geometry.array, dtype=object)
        self._answers: dict[Hashable, object] = {} if laid_out is None else {_LAID_OUT: laid_out}
        self._summaries: dict[str, dict[float | None, zonal.ZonalStatistics]] = {}

    def __len__(self) -> int:
        return len(self.geometries)

    def unknown(self) -> Floats:
        """Return NaN for every candidate."""
        return np.full(len(self), np.nan)

    @property
    def laid_out(self) -> proximity.LaidOut:
        """The candidates' shapes, taken apart once for all questions of distance."""
        return self._once(_LAID_OUT, lambda: proximity.lay_out(self.geometries))

    def distance_m(self, layer: str, column: str = "", values: tuple[str, ...] = ()) -> Floats:
        """Distance to the nearest feature; infinite where the layer has none such, NaN without the layer."""
        def ask() -> Floats:
            if not self.city_layers.has(layer):
                return self.unknown()
            found = self.infrastructure.targets(layer, column, values)
            if not found.n:
                # Surveyed and none there: the nearest is farther than any rule asks.
                return np.full(len(self), np.inf)
            return proximity.nearest(self.laid_out, found).distance_m
        return self._once(("distance", layer, column, values), ask)

    def count_within(self, layer: str, radius_m: float, owner_column: str) -> Floats:
        """Count distinct owners of features within ``radius_m``; NaN without the layer."""
        def ask() -> Floats:
            if not self.city_layers.has(layer):
                return self.unknown()
            frame = self.city_layers.frame(layer)
            owners = frame[owner_column].astype("category").cat.codes.to_numpy(dtype=np.int64)
            found = proximity.count_within(self.laid_out, self.infrastructure.targets(layer), radius_m, owners=owners)
            return found.astype(np.float64)
        return self._once(("count", layer, radius_m, owner_column), ask)

    def demand_share(self, radius_m: float) -> Floats:
        """Share of all demand within ``radius_m``, each point's weight fading linearly to 0 there."""
        def ask() -> Floats:
            points, targets = self.infrastructure.demand(), self.infrastructure.demand_targets()
            if points is None or targets is None or not points["demand"].sum() > 0:
                return self.unknown()
            weights = points["demand"].to_numpy(dtype=np.float64)
            reached = proximity.decayed_sum(self.laid_out, targets, weights, radius_m)
            return np.asarray(reached / weights.sum(), dtype=np.float64)
        return self._once(("demand", radius_m), ask)

    def overlap_share(self, layer: str, column: str = "", values: tuple[str, ...] = ()) -> Floats:
        """Share of the candidate's area inside the layer's polygons; NaN without the layer."""
        def ask() -> Floats:
            if not self.city_layers.has(layer):
                return self.unknown()
            found = self.infrastructure.features(layer, column, values)
            return vector.overlap_share(self.geometries, np.asarray(found.geometry.array))
        return self._once(("overlap", layer, column, values), ask)

    def touches_corridor(self, layer: str, length_m: float, half_width_m: float) -> NDArray[np.bool_]:
        """Tell which candidates meet the extended centre line of a runway."""
        def ask() -> NDArray[np.bool_]:
            corridors = self.infrastructure.corridors(layer, length_m, half_width_m)
            found = proximity.nearest(self.laid_out, corridors, max_distance_m=0.0)
            return np.asarray(found.index >= 0, dtype=np.bool_)
        return self._once(("corridor", layer, length_m, half_width_m), ask)

    def share_above(self, raster: str, threshold: float) -> Floats:
        """Share of the candidate's area whose cell is above ``threshold``; NaN without the raster."""
        found = self._summary(raster, threshold)
        return self.unknown() if found is None else found.share_above

    def share_of_codes(self, raster: str, codes: tuple[float, ...]) -> Floats:
        """Share of the candidate's area whose cell holds one of ``codes``; NaN without the raster."""
        def is_one(values: Floats, *_cell_size_m: float) -> Floats:
            return np.where(np.isnan(values), np.nan, np.isin(values, codes))

        def ask() -> Floats:
            if raster not in self.city_layers.rasters:
                return self.unknown()
            found = zonal.zonal_statistics(self.geometries, self.city_layers.rasters[raster], threshold=0.5,
                                           derive=is_one)
            return found.share_above
        return self._once(("codes", raster, codes), ask)

    def raster_mean(self, raster: str) -> Floats:
        """Mean of a raster over the candidate; NaN without the raster."""
        found = self._summary(raster)
        return self.unknown() if found is None else found.mean

    def _summary(self, raster: str, threshold: float | None = None) -> zonal.ZonalStatistics | None:
        """Return the statistics of a raster; where no threshold is asked for, those that one was asked for will do."""
        if raster not in self.city_layers.rasters:
            return None
        known = self._summaries.setdefault(raster, {})
        if threshold is None and known:
            return next(iter(known.values()))
        if threshold not in known:
            known[threshold] = zonal.zonal_statistics(self.geometries, self.city_layers.rasters[raster],
                                                      threshold=threshold)
        return known[threshold]

    def slope_percent(self) -> Floats:
        """Mean slope over the candidate, in per cent; NaN without an elevation raster."""
        def ask() -> Floats:
            if "dem" not in self.city_layers.rasters:
                return self.unknown()
            dem = self.city_layers.rasters["dem"]
            return zonal.zonal_statistics(self.geometries, dem, derive=zonal.slope_percent).mean
        return self._once(("slope",), ask)

    def floor_standing_on(self) -> Floats:
        """Floor area of the buildings whose middle lies on the candidate, in m2; NaN without floor areas."""
        def ask() -> Floats:
            buildings = self.infrastructure.buildings()
            if buildings is None:
                return self.unknown()
            middles, floor_m2 = buildings
            row, building = middles.query(self.geometries, predicate="intersects")
            # In the order of the buildings: a sum of rounded numbers depends on its order.
            order = np.lexsort((building, row))
            return np.bincount(row[order], weights=floor_m2[building[order]], minlength=len(self)).astype(np.float64)
        return self._once(("floor",), ask)

    def feeding_substations(self, min_voltage_kv: float) -> tuple[gpd.GeoDataFrame, proximity.KNearest] | None:
        """Return the substations of at least ``min_voltage_kv`` and the two nearest to each candidate.

        The indices count rows of the returned frame. None where no such substation is known.
        """
        def ask() -> tuple[gpd.GeoDataFrame, proximity.KNearest] | None:
            if not self.city_layers.has("substations"):
                return None
            frame = self.city_layers.frame("substations")
            able = frame[frame["voltage_kv"] >= min_voltage_kv]
            if able.empty:
                return None
            return able, proximity.k_nearest(self.laid_out, np.asarray(able.geometry.array), 2)
        return self._once(("feeds", min_voltage_kv), ask)

    def _once(self, question: Hashable, ask: Callable[[], Found]) -> Found:
        if question not in self._answers:
            self._answers[question] = ask()
        return cast("Found", self._answers[question])
