"""Reads back the folder of a finished study: its manifest, what it says of every parcel, and its plans.

No file of the folder is taken at its word: each is held to the hash that the manifest states before it is read.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd

from gis.bilingual import Text
from gis.errors import DataError
from layers.exports.geoparquet import require_pyarrow
from siting.explanation import (
    LARGE_PARCELS_FILE,
    MANIFEST_FILE,
    PARCELS_FILE,
    Cells,
    Explanation,
    explain_record,
)
from siting.scheme import Record

WGS84 = "EPSG:4326"
PARCEL_LAYER = "layers/parcels.geojson"
LARGE_PARCEL_LAYER = "layers/parcels.parquet"
_LAYER_FILE = re.compile(r"layers/([A-Za-z0-9_]+)\.geojson")


@dataclass(frozen=True, eq=False, kw_only=True)
class FinishedStudy:
    """A study as its folder tells it."""

    folder: Path
    manifest: Record

    @property
    def name(self) -> str:
        """Name of the study."""
        return str(self.manifest["study"]["name"])

    @property
    def city(self) -> str:
        """Key of its city."""
        return str(self.manifest["pack"]["city"])

    @property
    def metric_crs(self) -> str:
        """CRS in which it was computed."""
        return str(self.manifest["pack"]["metric_crs"])

    @property
    def title(self) -> Text:
        """What a reader calls the study."""
        city = said(self.manifest["pack"]["title"])
        return Text(zh=f"{city.zh}数据中心选址：{self.name}", en=f"{city.en}, siting of data centres: {self.name}")

    @property
    def sha256(self) -> str:
        """Hash of the manifest without its timings, which tells two studies apart."""
        told = {key: value for key, value in self.manifest.items() if key != "timings_s"}
        return hashlib.sha256(json.dumps(told, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of its layers, sorted."""
        names = {match[1] for file in self.manifest["files"] if (match := _LAYER_FILE.fullmatch(file))}
        names = {name for name in names if not (name.endswith("_zh") and name.removesuffix("_zh") in names)}
        return tuple(sorted(names | ({"parcels"} if self.is_large else set())))

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """By parcel_id: for each class CLASS_eligible (bool), and CLASS_score and CLASS_rank (NaN where excluded).

        Raises
        ------
        DataError
            The table of parcels is not the one that the manifest describes.
        """
        return _verdicts(self, list(self.classes))

    @property
    def classes(self) -> dict[str, Record]:
        """Its classes with criteria and rules, by key."""
        return {str(c["class_id"]): c for c in self.manifest["scheme"]["classes"]}

    @property
    def is_large(self) -> bool:
        """Its parcels are written as Parquet."""
        return LARGE_PARCELS_FILE in self.manifest["files"]

    def top(self, class_id: str) -> list[str]:
        """Return the ids of the top list of a class, best first."""
        found = next((c for c in self.manifest["results"]["classes"] if c["class_id"] == class_id), None)
        return [] if found is None else [str(key) for key in found["top_parcel_ids"]]

    def has(self, name: str) -> bool:
        """Tell whether the study wrote a file of that name."""
        return name in self.manifest["files"]

    def checked(self, name: str) -> Path:
        """Return a file of the study, unchanged since it was written.

        Raises
        ------
        DataError
            It is gone, or differs from what the manifest says.
        """
        path = self.folder / name
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise _damaged(path) from error
        if digest != self.manifest["files"].get(name):
            raise _damaged(path)
        return path

    def rows(self, parcel_ids: Iterable[str]) -> Mapping[str, Cells]:
        """Return all that the table says of parcels, by id; those that the study does not hold are left out.

        The whole table is read, so that one call for all parcels is far cheaper than many.
        """
        return _rows(self, set(parcel_ids))

    def explanations(self, class_id: str, rows: Mapping[str, Cells]) -> dict[str, Explanation]:
        """Explain parcels for one class by what :meth:`rows` says of them."""
        try:
            return {key: explain_record(self.manifest["scheme"], class_id, cells) for key, cells in rows.items()}
        except (KeyError, TypeError, ValueError, StopIteration) as error:
            raise _damaged(self.folder) from error

    def shapes(self, parcel_ids: set[str] | None = None) -> gpd.GeoSeries:
        """Return the shapes of parcels by id, in longitude and latitude; all of them for None.

        Raises
        ------
        DataError
            The layer is not the one that the manifest describes.
        """
        name = LARGE_PARCEL_LAYER if self.is_large else PARCEL_LAYER
        path = self.checked(name)
        if self.is_large:
            require_pyarrow(Text(zh=name, en=name))
            frame = gpd.read_parquet(path, columns=["parcel_id", "geometry"])
        else:
            frame = gpd.read_file(path, columns=["parcel_id"])
        frame = frame[frame.geometry.notna()].to_crs(WGS84)
        found = gpd.GeoSeries(frame.geometry.array, index=pd.Index(frame["parcel_id"].astype(str)), crs=WGS84)
        return found if parcel_ids is None else found[found.index.isin(parcel_ids)]

    def layer(self, name: str) -> gpd.GeoDataFrame | None:
        """Return a layer of the study in longitude and latitude, columns in English; None where it has none."""
        file = f"layers/{name}.geojson"
        if not self.has(file):
            return None
        features = [f for f in json.loads(self.checked(file).read_bytes())["features"] if f["geometry"]]
        if not features:
            return None
        return gpd.GeoDataFrame.from_features(features, crs=WGS84)


def read_finished(folder: Path | str) -> FinishedStudy:
    """Read the folder of a finished study.

    Raises
    ------
    DataError
        The folder holds no finished study.
    """
    place = Path(folder)
    try:
        manifest = json.loads((place / MANIFEST_FILE).read_text(encoding="utf-8"))
        study = FinishedStudy(folder=place, manifest=manifest)
        if manifest["product"] == "suanzhi" and study.layer_names and study.name and study.classes and study.metric_crs:
            return study
        reason = "it is another product's"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = type(error).__name__
    raise DataError(
        f"{place} is not a finished study (no readable {MANIFEST_FILE}: {reason}); run it first, then give "
        "its output folder",
        f"{place} 不是已完成的方案目录（缺少可读的 {MANIFEST_FILE}：{reason}）；请先运行方案，再给出其输出目录")


def said(record: Mapping[str, str] | None) -> Text:
    """Return a phrase of the manifest."""
    return Text(zh=str((record or {}).get("zh", "")), en=str((record or {}).get("en", "")))


def _verdicts(study: FinishedStudy, class_ids: list[str]) -> pd.DataFrame:
    wanted = ["parcel_id", *(f"{c}_{key}" for c in class_ids for key in ("eligible", "score", "rank"))]
    try:
        table = _table(study, wanted)
    except (KeyError, ValueError) as error:
        raise _damaged(study.folder) from error
    columns: dict[str, Any] = {}
    for c in class_ids:
        columns[f"{c}_eligible"] = (table[f"{c}_eligible"].astype(str) == "True").to_numpy()
        for key in ("score", "rank"):
            columns[f"{c}_{key}"] = pd.to_numeric(table[f"{c}_{key}"], errors="coerce").to_numpy(dtype=float)
    return pd.DataFrame(columns, index=pd.Index([_plain(key) for key in table["parcel_id"]], name="parcel_id"))


def _table(study: FinishedStudy, columns: list[str] | None, keys: set[str] | None = None) -> pd.DataFrame:
    """Read the table of parcels; text as it stands in the file."""
    if study.has(LARGE_PARCELS_FILE):
        require_pyarrow(Text(zh=LARGE_PARCELS_FILE, en=LARGE_PARCELS_FILE))
        filters = None if keys is None else [("parcel_id", "in", sorted(keys))]
        return pd.read_parquet(study.checked(LARGE_PARCELS_FILE), columns=columns, filters=filters)
    return pd.read_csv(study.checked(PARCELS_FILE), dtype=str, keep_default_na=False, encoding="utf-8-sig",
                       usecols=columns)


def _rows(study: FinishedStudy, keys: set[str]) -> Mapping[str, Cells]:
    table = _table(study, None, keys)
    names = [_plain(key) for key in table["parcel_id"]]
    kept = [row for row, name in enumerate(names) if name in keys]
    records: list[dict[str, object]] = table.iloc[kept].to_dict("records")  # type: ignore[assignment]
    return dict(zip([names[row] for row in kept], records, strict=True))


def _plain(key: object) -> str:
    """Take away the apostrophe that keeps a spreadsheet from running an id as a formula."""
    text = str(key)
    return text[1:] if text[:1] == "'" and text[1:2] in ("=", "+", "-", "@", "\t") else text


def _damaged(path: Path) -> DataError:
    return DataError(f"{path} is not what its manifest describes (edited, missing or cut short); run the study again",
                     f"{path} 与 {MANIFEST_FILE} 的记载不符（被编辑、缺失或写入中断）；请重新运行方案")
