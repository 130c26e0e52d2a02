"""What all rows of a GeoParquet layer have in common, found in one pass before its rows come in parts.

Some decisions belong to a layer and not to a row: in which CRS and datum it is, whether its axes are
swapped, which ids occur twice, which rows are duplicates. They are made here of extents and a few
columns, at eight bytes a row for each of ids and extents while it lasts; no geometry is made.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gis.rasters import Bounds
from layers.admission import Overview
from layers.conversion import as_texts, with_constants
from layers.ids import Ids, hashes_of, is_among, made_ids, repeated_in, with_tail
from layers.intake import Intake
from layers.oddities import Repeats, extent_hashes
from layers.placement import placing_of
from layers.schemas import LayerSchema
from layers.sources.geoparquet_file import GeoParquet
from layers.sources.ragged_parquet import boxes_of
from layers.sources.row_filter import numeric_columns, rows_where
from layers.sources.types import LoadContext
from layers.sources.vector_file import in_parts, renamed
from layers.types import LayerSpec
from layers.value_mapping import CODE_COLUMN, LAND_USE, map_values

_ROWS = 65_536
_SAMPLE_ROWS = 1 << 20


@dataclass(eq=False)
class _Found:
    """What has been seen so far."""

    n_rows: int = 0
    ids: list[NDArray[np.uint64]] = field(default_factory=list)
    tailed: set[str] = field(default_factory=set)
    extents: list[NDArray[np.uint64]] = field(default_factory=list)
    sample: list[NDArray[np.float64]] = field(default_factory=list)
    whole: NDArray[np.float64] = field(default_factory=lambda: np.array([np.inf, np.inf, -np.inf, -np.inf]))
    has_codes: bool = False


def survey(spec: LayerSpec, schema: LayerSchema, context: LoadContext, *, area: Bounds | None = None) -> Overview:
    """Look at all rows of a GeoParquet layer.

    Parameters
    ----------
    spec
        Source ``vector_file``, a path that ends in ``.parquet`` or ``.geoparquet``.
    schema
        What the layer must hold.
    context
        Metric CRS and study area.
    area
        Bounds of the study area in WGS84 degrees, or None.

    Returns
    -------
    Overview
        For ``layers.admission.admit``. The axes are judged by the extent of all rows and by the middle half of at
        most a million, evenly spread.

    Raises
    ------
    DataError
        Whatever the file, the datum or the columns of the layer complain of.
    UsageError
        The file is no GeoParquet file that can be read in parts.
    """
    found = _Found()
    with in_parts(spec) as layer:
        numeric = _numeric(layer, spec)
        stride = max(1, -(-layer.n_rows // _SAMPLE_ROWS))
        for attributes, column in layer.parts(_ROWS, _wanted(layer, spec, schema)):
            boxes, n_vertices = boxes_of(column)
            if spec.where:
                is_kept = rows_where(attributes, spec.where, spec.name, numeric)
                attributes, boxes, n_vertices = attributes[is_kept], boxes[is_kept], n_vertices[is_kept]
            _look_at_places(found, boxes, n_vertices, stride)
            _look_at_words(found, attributes, spec, schema)
            found.n_rows += len(boxes)
        crs = layer.like.crs
    extents = np.concatenate([*found.sample, *([found.whole[None]] if stride > 1 else []), np.empty((0, 4))])
    return Overview(
        placing=placing_of(extents, crs, spec, context, area=area),
        ids=Ids((), repeated_in(_joined(found.ids)), found.tailed), repeats=Repeats(_alike(_joined(found.extents))),
        has_codes=found.has_codes, numeric=numeric)


def _wanted(layer: GeoParquet, spec: LayerSpec, schema: LayerSchema) -> list[str]:
    """Return the columns of the file that have to be looked at: all of them for a condition."""
    there = layer.attributes
    mapped = [theirs for _, theirs in spec.columns]
    ours = {schema.id_column, LAND_USE, CODE_COLUMN, *(name for name, _ in spec.values), *mapped}  # noqa: PD011
    return [name for name in there if spec.where or name in ours]


def _numeric(layer: GeoParquet, spec: LayerSpec) -> frozenset[str]:
    """Return the text columns that hold nothing but numbers in any row."""
    if not spec.where:
        return frozenset()
    found = frozenset(layer.attributes)
    for attributes, _ in layer.parts(_ROWS, layer.attributes, with_geometry=False):
        found &= numeric_columns(attributes)
    return found


def _look_at_places(found: _Found, boxes: NDArray[np.float64], n_vertices: NDArray[np.int64], stride: int) -> None:
    is_finite = np.isfinite(boxes).all(axis=1)
    if is_finite.any():
        usable = boxes[is_finite]
        found.whole = np.concatenate([np.minimum(found.whole[:2], usable[:, :2].min(axis=0)),
                                      np.maximum(found.whole[2:], usable[:, 2:].max(axis=0))])
    found.sample.append(boxes[-found.n_rows % stride::stride])
    # A row without a place repeats none.
    hashes = extent_hashes(boxes, n_vertices)
    found.extents.append(np.where(is_finite, hashes, np.uint64(0)))


def _look_at_words(found: _Found, attributes: pd.DataFrame, spec: LayerSpec, schema: LayerSchema) -> None:
    numbers = np.arange(found.n_rows, found.n_rows + len(attributes))
    named = with_constants(renamed(attributes, spec), spec).set_axis(numbers, axis=0)
    if schema.id_column in named.columns:
        ids = as_texts(named[schema.id_column])
        is_bare = pd.isna(ids)
        ids[is_bare] = made_ids(spec.name, numbers[is_bare])
        found.ids.append(hashes_of(ids))
        found.tailed.update(with_tail(ids))
    is_word = schema.frame is not None and any(f.name == LAND_USE for f in schema.frame.fields)
    if is_word and LAND_USE in named.columns and CODE_COLUMN not in named.columns and not found.has_codes:
        intake = Intake(frame=named, n_read=len(named), id_column=schema.id_column)
        found.has_codes = CODE_COLUMN in map_values(intake, schema, spec).frame.columns


def _alike(hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
    return np.asarray(is_among(hashes, repeated_in(hashes)) & (hashes != 0), dtype=np.bool_)


def _joined(parts: list[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    return np.concatenate([*parts, np.empty(0, dtype=np.uint64)])
