"""Layers of OpenStreetMap that were fetched and stored: one GeoPackage each, and its provenance beside it.

The source ``osm_store``: ``path`` names the GeoPackage; ``columns``, ``where`` and so on work as for any vector file.
What was asked, of whom and when, the licence, the state of the data and the objects that are no rows stand in
``NAME.provenance.json``; nothing is asked of any server. A GeoPackage that was changed after it was fetched is no
longer what its provenance says, and is refused.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast, get_args

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gis.bilingual import Text
from gis.errors import LayerError, LayerNotFoundError
from layers.exports.files import write_text
from layers.exports.gdal_files import drafted, write_rows
from layers.exports.layer_rows import HeldRows
from layers.schemas import LAYERS
from layers.sources import vector_file
from layers.sources.files import existing_file, sha256_of
from layers.sources.osm_tiles import LiveLayer
from layers.sources.types import LoadContext, RawVector
from layers.types import Certainty, LayerSpec, Remark

_FORM = 1
_ENDING = ".provenance.json"
_LICENCE_PAGE = "https://opendatacommons.org/licenses/odbl/1-0/"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLayer:
    """A layer of the store."""

    name: str
    """Which layer."""

    path: Path
    """Its GeoPackage."""

    n_rows: int
    """Rows in it."""

    n_rejected: int
    """Objects that could not become rows."""

    vintage: str
    """State of the data; first and last day parted by a slash where parts differ."""

    note: Text | None
    """What to know of it."""


def write_layer(folder: Path, name: str, live: LiveLayer) -> StoredLayer:
    """Write a fetched layer and its provenance into the store.

    Parameters
    ----------
    folder
        The store.
    name
        Which layer.
    live
        What was fetched.

    Raises
    ------
    ExportError
        The folder cannot be written.
    """
    path, raw = folder / f"{name}.gpkg", live.raw
    options = {"SPATIAL_INDEX": "YES", "IDENTIFIER": LAYERS[name].title.zh,
               "DESCRIPTION": f"{raw.attribution}, {raw.licence}, {raw.vintage}"}
    with drafted(path) as draft:
        write_rows(HeldRows(_plain(raw.frame)), draft, driver="GPKG", layer=name, options=options)
    # Until this is written, an older provenance does not fit the file, and the layer is refused.
    record = {"form": _FORM, "layer": name, "file": path.name, "sha256": sha256_of([str(path)]), **_provenance(live)}
    write_text(_sidecar(path), json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    return _stored(path, record)


def stored_layers(folder: Path) -> tuple[StoredLayer, ...]:
    """Return the layers of a store, in the order of ``layers.schemas.LAYERS``.

    Raises
    ------
    LayerError
        The provenance of one cannot be read.
    """
    paths = [folder / f"{name}.gpkg" for name in LAYERS]
    return tuple(_stored(path, _record(path, path.stem)) for path in paths if _sidecar(path).is_file())


def read(spec: LayerSpec, context: LoadContext) -> RawVector:
    """Read a stored layer with the provenance that lies beside it.

    Parameters
    ----------
    spec
        ``path``, the GeoPackage; otherwise as for ``layers.sources.vector_file``.
    context
        Not needed here.

    Returns
    -------
    RawVector
        Rows, and the remarks on the objects that are none; licence, attribution and date of the data.

    Raises
    ------
    LayerNotFoundError
        There is no such file, or no provenance beside it.
    LayerError
        The provenance cannot be read, or the file is not the one that it speaks of.
    """
    path = existing_file(spec)
    record = _record(path, spec.name)
    if sha256_of([str(path)]) != record["sha256"]:
        raise LayerError(
            f"layer {spec.name!r}: {path} was changed after it was fetched from OpenStreetMap; fetch it again "
            "(suanzhi fetch), or name it without source = \"osm_store\" and state datum, licence and attribution",
            f"图层 {spec.name!r}：{path} 在从 OpenStreetMap 获取之后被改动；请重新获取（suanzhi fetch），"
            "或去掉 source = \"osm_store\" 并写明 datum、licence 与 attribution")
    raw = vector_file.read(spec, context)
    remarks = tuple(Remark(one["feature_id"], "rejected", Text(zh=one["zh"], en=one["en"]))
                    for one in record["remarks"])
    return replace(
        raw, frame=_simple(raw.frame), n_read=raw.n_read + len(remarks), remarks=(*raw.remarks, *remarks),
        datum="wgs84", datum_note="wgs84 (OpenStreetMap)", files=(str(path), str(_sidecar(path))),
        certainty=_certainty(record), licence=record["licence"], attribution=record["attribution"],
        vintage=record["vintage"], note=_text(record["note"]), reading_notes=(*raw.reading_notes, _fetched(record)))


def _fetched(record: dict[str, Any]) -> Text:
    """Say when the layer was fetched, and from whom."""
    days = sorted({tile["asked_at"][:10] for tile in record["tiles"]})
    day, servers = "/".join(days[:1] + days[1:][-1:]), record["endpoints"]
    return Text(zh=f"于 {day} 取自 {'、'.join(servers)}", en=f"fetched on {day} from {', '.join(servers)}")


def _provenance(live: LiveLayer) -> dict[str, Any]:
    raw, tiles = live.raw, live.tiles
    return {
        "source": "OpenStreetMap (Overpass API, osmnx)", "endpoints": sorted({tile.endpoint for tile in tiles}),
        "window": [round(value, 6) for value in live.window], "tags": live.tags.asked(),
        "tiles": [{key: value for key, value in asdict(tile).items() if key != "path"} for tile in tiles],
        "vintage": raw.vintage, "licence": raw.licence, "licence_page": _LICENCE_PAGE, "attribution": raw.attribution,
        "certainty": raw.certainty, "note": None if raw.note is None else {"zh": raw.note.zh, "en": raw.note.en},
        "rows": {"read": raw.n_read, "stored": len(raw.frame), "rejected": len(raw.remarks)},
        "remarks": [{"feature_id": one.feature_id, "zh": one.reason.zh, "en": one.reason.en} for one in raw.remarks],
    }


def _plain(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return a frame whose columns hold one type each, as a GeoPackage wants it.

    A voltage that holds no number is kept as its text, for the account to quote; the numbers beside it become text too.
    """
    mixed = [column for column in frame.columns if column != "geometry" and frame[column].dtype == object
             and not all(isinstance(value, str) or value is None for value in frame[column])]
    return frame.assign(**{column: [None if pd.isna(value) else str(value) for value in frame[column]]
                           for column in mixed})


def _simple(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return a frame without the multiple geometries of one part that a GeoPackage of multiple ones makes."""
    shapes = np.asarray(frame.geometry.array, dtype=object)
    alone = shapely.get_num_geometries(shapes) == 1
    shapes[alone] = shapely.get_geometry(shapes[alone], 0)
    return frame.set_geometry(gpd.GeoSeries(shapes, index=frame.index, crs=frame.crs))


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".gpkg") + _ENDING)


def _record(path: Path, name: str) -> dict[str, Any]:
    sidecar = _sidecar(path)
    if not sidecar.is_file():
        raise LayerNotFoundError(
            f"layer {name!r}: there is no {sidecar.name} beside {path}; copy it along, or fetch the layer again "
            "(suanzhi fetch)",
            f"图层 {name!r}：{path} 旁缺少 {sidecar.name}；请一并复制，或重新获取（suanzhi fetch）")
    try:
        record = json.loads(sidecar.read_text(encoding="utf-8"))
        if record["form"] != _FORM or record["layer"] != name:
            raise ValueError(f"form {record['form']}, layer {record['layer']}")
        _stored(path, record)
        _certainty(record)
        _fetched(record)
        texts = [record[key] for key in ("sha256", "licence", "attribution", "vintage")]
        texts += [one[key] for one in record["remarks"] for key in ("feature_id", "zh", "en")]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("text expected")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise LayerError(
            f"layer {name!r}: {sidecar} cannot be read as provenance of that layer ({type(error).__name__}: {error}); "
            "fetch the layer again (suanzhi fetch)",
            f"图层 {name!r}：{sidecar} 无法作为该图层的来源记录读取（{type(error).__name__}：{error}）；"
            "请重新获取（suanzhi fetch）") from error
    return cast("dict[str, Any]", record)


def _stored(path: Path, record: dict[str, Any]) -> StoredLayer:
    return StoredLayer(name=record["layer"], path=path, n_rows=int(record["rows"]["stored"]),
                       n_rejected=int(record["rows"]["rejected"]), vintage=record["vintage"],
                       note=_text(record["note"]))


def _text(given: dict[str, str] | None) -> Text | None:
    return None if given is None else Text(zh=given["zh"], en=given["en"])


def _certainty(record: dict[str, Any]) -> Certainty | None:
    """Return the certainty that the mapping states, None where it leaves it to the study."""
    stated = record["certainty"]
    if stated is not None and stated not in get_args(Certainty):
        raise ValueError(f"certainty {stated!r}")
    return cast("Certainty | None", stated)
