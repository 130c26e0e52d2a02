"""Reads a parcel back from the folder of a finished study."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import shapely

from gis.errors import DataError, UsageError
from siting.explanation import MANIFEST_FILE

PARCEL_LAYERS = ("layers/parcels.geojson", "layers/parcels.parquet")
SUBSTATION_LAYER = "layers/substations.geojson"


@dataclass(frozen=True, slots=True)
class FinishedParcel:
    """A parcel of a finished study."""

    parcel_id: str
    geometry: shapely.Polygon | shapely.MultiPolygon
    """In the metric CRS of the pack."""
    feed_point: shapely.Point | None
    """Nearest substation of the study, in the same CRS; None where it wrote none."""


def finished_city(folder: Path) -> str:
    """Return the city of a finished study: the key or path of its pack.

    Raises
    ------
    DataError
        The folder holds no finished study.
    """
    return str(_manifest(folder)["study"]["city"])


def finished_parcel(folder: Path, parcel_id: str, metric_crs: str) -> FinishedParcel:
    """Read one parcel of a finished study.

    Raises
    ------
    DataError
        The folder holds no finished study, or its layer of parcels cannot be read.
    UsageError
        The study has no such parcel.
    """
    _manifest(folder)
    path = next((folder / name for name in PARCEL_LAYERS if (folder / name).is_file()), None)
    if path is None:
        raise _unfinished(folder)
    frame = _read(path)
    rows = frame[frame["parcel_id"].astype(str) == parcel_id]
    if rows.empty:
        known = [str(key) for key in frame["parcel_id"].head(3)]
        raise UsageError(f"the study in {folder} has no parcel {parcel_id!r}; its ids look like {', '.join(known)}",
                         f"{folder} 的方案中没有地块 {parcel_id!r}；编号形如 {'、'.join(known)}")
    geometry = rows.geometry.iloc[:1].to_crs(metric_crs).iloc[0]
    return FinishedParcel(parcel_id, geometry, _nearest_substation(folder, geometry, metric_crs))


def _nearest_substation(folder: Path, geometry: shapely.Geometry, metric_crs: str) -> shapely.Point | None:
    path = folder / SUBSTATION_LAYER
    if not path.is_file():
        return None
    stations = _read(path).geometry.to_crs(metric_crs)
    if stations.empty:
        return None
    nearest = stations.iloc[int(stations.distance(geometry).argmin())]
    return shapely.Point(shapely.get_coordinates(shapely.point_on_surface(nearest))[0])


def _read(path: Path) -> gpd.GeoDataFrame:
    try:
        if path.suffix == ".parquet":
            return gpd.read_parquet(path, columns=["parcel_id", "geometry"])
        return gpd.read_file(path)
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        raise DataError(f"{path} cannot be read: {error}; run the study again",
                        f"无法读取 {path}：{error}；请重新运行方案") from error


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        if manifest["product"] == "suanzhi" and manifest["study"]["city"]:
            return dict(manifest)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise _unfinished(folder)


def _unfinished(folder: Path) -> DataError:
    return DataError(f"{folder} holds no finished study; run it first", f"{folder} 不是已完成的方案目录；请先运行方案")
