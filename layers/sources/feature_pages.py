"""Pages of features put together to one layer, with an account of what the service said there would be."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from gis.bilingual import Text
from layers.sources.remote import content_digest, most_features, too_many
from layers.sources.web_service import WebService
from layers.types import LayerSpec


class FeaturePages:
    """What was read of a layer so far.

    Parameters
    ----------
    spec
        Says how many features may be read.
    service
        Whom to name where something is wrong.
    """

    def __init__(self, spec: LayerSpec, service: WebService) -> None:
        self._spec = spec
        self._service = service
        self._most = most_features(spec)
        self._frames: list[gpd.GeoDataFrame] = []
        self._ids: set[str] = set()
        self._last = ""
        self.n_features = 0

    def add(self, frame: gpd.GeoDataFrame, ids: Sequence[str | None], stated: int | None = None) -> None:
        """Take in a page.

        Parameters
        ----------
        frame
            Features of the page.
        ids
            What the service calls them, None where it does not say.
        stated
            How many the page says it holds.

        Raises
        ------
        LayerError
            The page is not as long as it says, repeats features, comes in another CRS than those before, or there
            are more features than may be read.
        """
        if stated is not None and stated != len(frame):
            raise self._service.error(Text(
                zh=f"的一页声明 {stated} 个要素，实有 {len(frame)} 个；请再次读取",
                en=f"says of a page that it holds {stated} features, and it holds {len(frame)}; read again"))
        self._refuse_repeats(frame, ids)
        self.n_features += len(frame)
        if self.n_features > self._most:
            raise too_many(self._spec, f"> {self._most}")
        if self._frames and len(frame) and frame.crs != self._frames[0].crs:
            raise self._service.error(Text(zh="各页的坐标系不同；请该服务的管理者检查",
                                           en="answers in another CRS from page to page; ask its operator"))
        if len(frame):
            self._frames.append(frame)

    def expect(self, stated: int | None) -> None:
        """Compare the features read with what the service stated.

        Raises
        ------
        LayerError
            They are not as many.
        """
        if stated is not None and stated != self.n_features:
            raise self._service.error(Text(
                zh=f"声明有 {stated} 个要素，实际给出 {self.n_features} 个；数据可能正在更新或服务有上限，请再次读取",
                en=f"stated {stated} features and gave {self.n_features}; the data may be changing, or the service has "
                   "a limit: read again"))

    def expect_few(self, stated: int | None) -> None:
        """Refuse to begin where the service states more features than may be read.

        Raises
        ------
        LayerError
            It does.
        """
        if stated is not None and stated > self._most:
            raise too_many(self._spec, str(stated))

    def frame(self, crs: CRS | None) -> gpd.GeoDataFrame:
        """Return all features, with a RangeIndex and columns in the order in which they first came.

        Parameters
        ----------
        crs
            CRS of the layer where it holds no feature.
        """
        if not self._frames:
            return gpd.GeoDataFrame(geometry=[], crs=crs)
        with warnings.catch_warnings():
            # Some pandas releases warn of columns that are empty in one page; the types here agree.
            warnings.simplefilter("ignore", FutureWarning)
            return pd.concat(self._frames, ignore_index=True)

    def _refuse_repeats(self, frame: gpd.GeoDataFrame, ids: Sequence[str | None]) -> None:
        known = [key for key in ids if key is not None]
        counts = Counter(known)
        again = next((key for key in known if key in self._ids or counts[key] > 1), "")
        # Without ids, only a whole page that comes twice in a row is told from rows that happen to be alike.
        content = content_digest(frame) if len(frame) and not known else ""
        if again or (content and content == self._last):
            what = Text(zh=f"要素 {again}", en=f"feature {again}") if again else Text(zh="同一页", en="a page")
            raise self._service.error(Text(
                zh=f"重复给出{what.zh}，分页不稳定，会漏掉其他要素；请调高 options 的 limit 以一页读完，"
                   "或请管理者为该图层设置主键",
                en=f"gives {what.en} twice: its paging is not stable and misses others; raise limit in options so that "
                   "one page holds all, or have its operator give the layer a key"))
        self._ids.update(known)
        self._last = content


def from_geojson(document: dict[str, Any], crs: CRS | None) -> tuple[gpd.GeoDataFrame, list[str | None]]:
    """Return the features of a GeoJSON document, easting before northing, and what the service calls them.

    Parameters
    ----------
    document
        A FeatureCollection.
    crs
        CRS of the coordinates, which are in the axis order of its authority; None for longitude and latitude of
        an unknown datum, as plain GeoJSON has them.

    Returns
    -------
    tuple
        The frame; a geometry that cannot be read is None, an object in a property is its JSON text. A column ``id``
        holds the id of the feature, unless a property is called so.

    Raises
    ------
    ValueError
        The document holds no features.
    """
    features = document.get("features")
    if not isinstance(features, list) or not all(isinstance(feature, dict) for feature in features):
        raise ValueError("no features")
    rows = [{key: _plain(value) for key, value in mapping_of(feature.get("properties")).items()}
            for feature in features]
    shapes = [feature.get("geometry") for feature in features]
    geometries = np.asarray(shapely.from_geojson([None if shape is None else json.dumps(shape) for shape in shapes],
                                                 on_invalid="ignore"), dtype=object)
    ids = [None if feature.get("id") is None else str(feature["id"]) for feature in features]
    table = pd.DataFrame.from_records(rows, index=pd.RangeIndex(len(rows)))
    table = table.rename(columns={"geometry": "geometry_in_properties"})
    if "id" not in table.columns and any(key is not None for key in ids):
        table.insert(0, "id", pd.Series(ids, dtype=object))
    return gpd.GeoDataFrame(table, geometry=_east_first(geometries, crs), crs=crs or "EPSG:4326"), ids


def mapping_of(value: object) -> dict[str, Any]:
    """Return a JSON object, or one without members where the value is something else."""
    return value if isinstance(value, dict) else {}


def is_north_first(crs: CRS) -> bool:
    """Tell whether the authority of a CRS writes latitude or northing first."""
    axes = crs.axis_info
    return bool(axes) and axes[0].direction.lower() in ("north", "south")


def _east_first(geometries: NDArray[np.object_], crs: CRS | None) -> NDArray[np.object_]:
    if crs is None or not is_north_first(crs):
        return geometries
    return np.asarray(shapely.transform(geometries, lambda coordinates: coordinates[:, ::-1]), dtype=object)


def _plain(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
