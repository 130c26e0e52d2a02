"""Reads the layers of a finished study back, in either language."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gis.bilingual import Language, Text
from gis.errors import DataError
from siting.finished_study import LARGE_PARCEL_LAYER, FinishedStudy, said
from siting.scheme import Record
from siting.wording import CERTAINTY_WORDS, LAND_USE_WORDS, PERMISSION_WORDS, clause

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd


_FEATURES = ',"features":['
QUANTITY = re.compile(r"(^|_)(m|m2|km2|kv|mva|mw|kw|ms|km|percent|ratio|score|rank|share)$")
"""Ends of the names of quantities."""


@dataclass(frozen=True, eq=False, slots=True)
class ReadLayer:
    """One layer as it was written."""

    frame: gpd.GeoDataFrame
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
    return ReadLayer(_typed(frame[[*columns, "geometry"]], numbers), id_column, titles, terms)


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
    from gis.bilingual import Text as Phrase
    from layers.exports.geoparquet import TITLE_KEY, require_pyarrow

    path = study.checked(LARGE_PARCEL_LAYER)
    require_pyarrow(Phrase(zh=str(path), en=str(path)))
    import geopandas as gpd
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]
    import shapely

    schema = pq.read_schema(path)
    # Words repeat: as categories they take a byte or two instead of a text each.
    words = [field.name for field in schema
             if pa.types.is_string(field.type) and field.name not in ("parcel_id", "name")]
    table = pq.read_table(path, read_dictionary=words)
    shapes = shapely.from_wkb(table.column("geometry").to_numpy(zero_copy_only=False))
    frame = gpd.GeoDataFrame(table.drop_columns(["geometry"]).to_pandas(), geometry=shapes, crs="EPSG:4326")
    titles = {field.name: field.metadata[TITLE_KEY].decode() for field in schema
              if field.metadata and TITLE_KEY in field.metadata}
    terms = json.loads((schema.metadata or {}).get(b"provenance", b"[]"))
    if language == "zh":
        frame = frame.assign(**{name: _translated(frame[name], say) for name, say in _translations(study, frame)})
    return ReadLayer(frame, "parcel_id", titles, tuple(terms))


def _translated(column: pd.Series[Any], say: Callable[[str], str]) -> pd.Series[Any]:
    import pandas as pd

    words = {word: say(str(word)) for word in column.cat.categories}
    # Two words may have one translation, which categories do not allow to be renamed to.
    return column.map(words).astype(pd.CategoricalDtype(sorted(set(words.values()))))


def _translations(study: FinishedStudy, frame: gpd.GeoDataFrame) -> Iterator[tuple[str, Callable[[str], str]]]:
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
        if column in frame.columns:
            yield column, _looked_up(table)


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
