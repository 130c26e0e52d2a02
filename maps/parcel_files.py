"""Writes what is known of every candidate: text up to ``LARGEST_GEOJSON`` candidates, Parquet above.

Candidates come in parts, so that a study need not be held whole; each block of rows is tabulated once, whatever the
number of files it goes to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from gis.bilingual import Language
from layers.exports.cell_texts import ColumnTexts, column_texts
from layers.exports.geojson import geometry_texts, open_geojson
from layers.exports.geoparquet import geometry_types, open_parquet
from layers.exports.tables import open_csv, write_csv
from maps.exported_layers import is_large, parcel_inputs, terms_of
from maps.field_names import chinese_names, chinese_words
from siting.explanation import LARGE_PARCELS_FILE, PARCELS_FILE
from siting.tables import contribution_table, parcel_table, titled_columns
from siting.types import StudyResult

CHINESE_PARCELS_FILE = "parcels_zh.csv"
LAYER_FILE, CHINESE_LAYER_FILE = "layers/parcels.geojson", "layers/parcels_zh.geojson"
LARGE_LAYER_FILE = "layers/parcels.parquet"
FIELDS_FILE = "layers/parcels_fields.csv"

_ROWS_PER_GROUP = 65_536
"""Rows of a large study that are tabulated and written at a time."""

_ROWS_OF_TEXT = 20_000
"""Rows of a smaller study that are tabulated and written at a time."""


def write_parcels(result: StudyResult, folder: Path, *, language: Language,
                  parts: Iterable[StudyResult] | None = None) -> list[str]:
    """Write all candidates of a study as table and as layer.

    Parameters
    ----------
    result
        The study; its census says how many candidates there are, and so in which form they are written.
    folder
        Folder to write to.
    language
        Language of the titles in the table; the layer is English, with a Chinese twin or Chinese titles beside.
    parts
        The candidates part by part, each as a study of its own with the census of the whole; None where ``result``
        holds them all. At least one candidate in all.

    Returns
    -------
    Paths of the files inside the folder: two tables and two layers as text, or a table, a layer and the titles of
    their columns as Parquet and CSV.

    Raises
    ------
    ExportError
        A file cannot be written.
    """
    blocks = (result,) if parts is None else parts
    if is_large(n_candidates(result)):
        return _write_parquet(result, folder, language, blocks)
    return _write_text(result, folder, language, blocks)


def n_candidates(result: StudyResult) -> int:
    """Return how many candidates the study had, whether or not they are all held in memory."""
    return result.census[0].n_candidates


def _blocks(parts: Iterable[StudyResult], n_rows: int) -> Iterator[tuple[gpd.GeoDataFrame, pd.DataFrame]]:
    """Tabulate block after block, titles in Chinese; beside each, its columns of titles in English."""
    for part in parts:
        for start in range(0, len(part.candidates), n_rows):
            rows = np.arange(start, min(start + n_rows, len(part.candidates)))
            yield contribution_table(part, language="zh", rows=rows), pd.DataFrame(titled_columns(part, "en", rows))


def _columns(result: StudyResult) -> tuple[list[str], list[str]]:
    """Return the columns of the table and those of the layer, which says nothing of contributions."""
    none: Sequence[int] = ()
    whole, layer = contribution_table(result, rows=none), parcel_table(result, rows=none)
    return [str(c) for c in whole.columns if c != "geometry"], [str(c) for c in layer.columns if c != "geometry"]


def _write_text(result: StudyResult, folder: Path, language: Language, parts: Iterable[StudyResult]) -> list[str]:
    columns, shown = _columns(result)
    titles = chinese_names(columns, result)
    members = {"name": "parcels", "provenance": terms_of(result, parcel_inputs(result))}
    with ExitStack() as opened:
        table = opened.enter_context(open_csv(folder / PARCELS_FILE, columns))
        table_zh = opened.enter_context(open_csv(folder / CHINESE_PARCELS_FILE, [titles[c] for c in columns]))
        layer = opened.enter_context(open_geojson(folder / LAYER_FILE, shown, members))
        layer_zh = opened.enter_context(open_geojson(folder / CHINESE_LAYER_FILE, [titles[c] for c in shown], members))
        for block, english_titles in _blocks(parts, _ROWS_OF_TEXT):
            chinese = column_texts(block)
            english = chinese | column_texts(english_titles)
            words = column_texts(chinese_words(block, result))
            own = chinese if language == "zh" else english
            table(_picked(own, columns), len(block))
            table_zh(_picked(own | words, columns), len(block))
            ids = chinese["parcel_id"].for_json
            shapes = geometry_texts(block.geometry.to_crs("EPSG:4326").to_numpy())
            layer(ids, _picked(english, shown), shapes)
            layer_zh(ids, _picked(chinese | words, shown), shapes)
    return [PARCELS_FILE, CHINESE_PARCELS_FILE, LAYER_FILE, CHINESE_LAYER_FILE]


def _picked(texts: Mapping[str, ColumnTexts], columns: Sequence[str]) -> list[ColumnTexts]:
    return [texts[column] for column in columns]


def _write_parquet(result: StudyResult, folder: Path, language: Language, parts: Iterable[StudyResult]) -> list[str]:
    columns, shown = _columns(result)
    titles = chinese_names(columns, result)
    types = geometry_types(np.asarray(result.candidates.geometry.array, dtype=object)) if parts == (result,) else ()
    with ExitStack() as opened:
        table = opened.enter_context(open_parquet(folder / LARGE_PARCELS_FILE, titles=titles))
        layer = opened.enter_context(open_parquet(
            folder / LARGE_LAYER_FILE, titles=titles, types=types,
            metadata={"provenance": terms_of(result, parcel_inputs(result))}))
        # Both files are compressed while the next block is tabulated; each has one writer at a time.
        threads = opened.enter_context(ThreadPoolExecutor(max_workers=2))
        under_way: list[Future[None]] = []
        for block, english_titles in _blocks(parts, _ROWS_PER_GROUP):
            own = block if language == "zh" else block.assign(**english_titles)
            shown_block = block[[*shown, "geometry"]].assign(**english_titles)
            for written in under_way:
                written.result()
            under_way = [threads.submit(table, pd.DataFrame(own.drop(columns="geometry"))),
                         threads.submit(layer, shown_block)]
        for written in under_way:
            written.result()
    write_csv(pd.DataFrame({"field": list(titles), "title_zh": list(titles.values())}), folder / FIELDS_FILE)
    return [LARGE_PARCELS_FILE, LARGE_LAYER_FILE, FIELDS_FILE]
