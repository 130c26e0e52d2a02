"""Reads the layers of a finished study back, in either language."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gis.bilingual import Language, Text
from gis.errors import DataError
from layers.exports.layer_rows import HeldRows, Rows
from maps.field_names import titled_rules
from siting.finished_study import LARGE_PARCEL_LAYER, FinishedStudy, said
from siting.scheme import Record
from siting.wording import CERTAINTY_WORDS, LAND_USE_WORDS, PERMISSION_WORDS, clause
from suanzhi.parquet_rows import ParquetRows

if TYPE_CHECKING:
    import geopandas as gpd

_FEATURES = ',"features":['
QUANTITY = re.compile(r"(^|_)(m|m2|km2|kv|mva|mw|kw|ms|km|percent|ratio|score|rank|share)$")
"""Ends of the names of quantities."""


@dataclass(frozen=True, eq=False, slots=True)
class ReadLayer:
    """One layer as it was written."""

    rows: Rows
    """In EPSG:4326, English names, values in the language asked for, ``id_column`` unique."""
    id_column: str
    titles: Mapping[str, str]
    """Chinese titles of the columns."""
    terms: tuple[Mapping[str, str], ...]


def read_layer(study: FinishedStudy, name: str, language: Language) -> ReadLayer:
    """Read one layer.

    Parameters
    ----------
    study
        The study.
    name
        One of its ``layer_names``.
    language
        Language of the values: codes and English titles, or Chinese words.

    Raises
    ------
    DataError
        A file was changed since it was written, or cannot be read.
    """
    if name == "parcels" and study.is_large:
        return _read_parquet(study, language)
    english, terms = _read_geojson(study.checked(f"layers/{name}.geojson"))
    columns = [str(c) for c in english.columns if c not in ("id", "geometry")]
    titles: dict[str, str] = {}
    frame = english
    if f"layers/{name}_zh.geojson" in study.manifest["files"]:
        chinese, _ = _read_geojson(study.checked(f"layers/{name}_zh.geojson"))
        named = [str(c) for c in chinese.columns if c not in ("id", "geometry")]
        titles = {column: title for column, title in zip(columns, named, strict=True) if column != title}
        if language == "zh":
            frame = chinese.rename(columns=dict(zip(named, columns, strict=True)))
    id_column = _id_column(frame, columns)
    numbers = _quantities(study)
    return ReadLayer(HeldRows(_typed(frame[[*columns, "geometry"]], numbers)), id_column, titles, terms)


def _read_geojson(path: Path) -> tuple[gpd.GeoDataFrame, tuple[Mapping[str, str], ...]]:
    import pyogrio
    from pyogrio.errors import DataLayerError, DataSourceError

    try:
        with path.open(encoding="utf-8") as file:
            head = json.loads(file.readline().rstrip().removesuffix(_FEATURES) + "}")
        fields = pyogrio.read_info(path)
        frame = pyogrio.read_dataframe(path, datetime_as_string=True)
    except (OSError, ValueError, DataSourceError, DataLayerError) as error:
        raise DataError(f"{path} cannot be read as GeoJSON; run the study again",
                        f"无法按 GeoJSON 读取 {path}；请重新运行方案") from error
    # Whole numbers with gaps come as fractions.
    whole = [name for name, kind in zip(fields["fields"], fields["dtypes"], strict=True) if kind in ("int32", "int64")]
    return frame.astype(dict.fromkeys(whole, "Int64")), tuple(head.get("provenance", ()))


def _id_column(frame: gpd.GeoDataFrame, columns: list[str]) -> str:
    """Return the column that the features' ids are taken from."""
    if "id" in frame.columns:
        for column in columns:
            if (frame[column].astype(str) == frame["id"].astype(str)).all():
                return column
    return next((c for c in columns if frame[c].notna().all() and frame[c].is_unique), columns[0])


def _quantities(study: FinishedStudy) -> set[str]:
    """Return the columns of measures, which may be empty from top to bottom."""
    return {f"{c['class_id']}_{k['criterion_id']}" for c in study.manifest["scheme"]["classes"] for k in c["criteria"]}


def _typed(frame: gpd.GeoDataFrame, quantities: set[str]) -> gpd.GeoDataFrame:
    """Make columns without any value numbers where they are to hold some, and text elsewhere."""
    empty = [str(c) for c in frame.columns if c != "geometry" and frame[c].isna().all()]
    kinds = {c: "float64" if c in quantities or c.startswith("n_") or QUANTITY.search(c) else "str" for c in empty}
    return frame.astype(kinds)


def _read_parquet(study: FinishedStudy, language: Language) -> ReadLayer:
    from layers.exports.geoparquet import TITLE_KEY, require_pyarrow

    path = study.checked(LARGE_PARCEL_LAYER)
    require_pyarrow(Text(zh=str(path), en=str(path)))
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    schema = pq.read_schema(path)
    titles = {field.name: field.metadata[TITLE_KEY].decode() for field in schema
              if field.metadata and TITLE_KEY in field.metadata}
    terms = json.loads((schema.metadata or {}).get(b"provenance", b"[]"))
    said_in = dict(_translations(study, schema.names)) if language == "zh" else {}
    return ReadLayer(ParquetRows(path, said_in), "parcel_id", titles, tuple(terms))


def _translations(study: FinishedStudy, columns: Sequence[str]) -> Iterator[tuple[str, Callable[[str], str]]]:
    """Give the columns of codes or English titles with what says their values in Chinese."""
    scheme = study.manifest["scheme"]
    tables = {
        "certainty": {key: word.zh for key, word in CERTAINTY_WORDS.items()},
        "land_use": {key: word.zh for key, word in LAND_USE_WORDS.items()},
        "unit": {said(u["title"]).en: said(u["title"]).zh for u in scheme["units"]},
        "zone": {said(z["title"]).en: said(z["title"]).zh for z in scheme["zones"]},
    }
    clauses = _clauses(scheme)
    for own in scheme["classes"]:
        key = own["class_id"]
        tables[f"{key}_permission"] = {code: word.zh for code, word in PERMISSION_WORDS.items()}
        tables[f"{key}_permission_clause"] = clauses
    for column, table in tables.items():
        if column in columns:
            yield column, _looked_up(table)
    for own in scheme["classes"]:
        titles = {rule["rule_id"]: said(rule["title"]).zh for rule in own["rules"]}
        for list_of in ("exclusion_rules", "penalty_rules", "untested_rules"):
            if (column := f"{own['class_id']}_{list_of}") in columns:
                yield column, _with_titles(titles)


def _with_titles(titles: Mapping[str, str]) -> Callable[[str], str]:
    return lambda cell: titled_rules(cell, titles)


def _looked_up(table: Mapping[str, str]) -> Callable[[str], str]:
    return lambda word: table.get(word, word)


def _clauses(scheme: Record) -> dict[str, str]:
    """Return the Chinese text of each clause by its English one."""
    titles = {d["document_id"]: said(d["title"]) for d in scheme["documents"]}
    found = {}
    for citation in (p["citation"] for p in scheme["permissions"] if p["citation"]):
        document = titles.get(citation["document"], Text(zh=citation["document"], en=citation["document"]))
        english, chinese = (clause(document.to(language), citation["heading"], citation["quote"], language)
                            for language in ("en", "zh"))
        found[english] = chinese
    return found
