"""Shapefiles for desktops that read nothing else: ten-character names, GBK or UTF-8, 2 GB, 254 bytes of text.

What the format cannot hold is never lost silently: ``fields.csv`` beside the files gives the full name and the Chinese
title of each short name, and counts the values that were cut or whose characters the encoding does not know.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gis.errors import ExportError
from layers.exports.bundles import Bundle, StudyLayer
from layers.exports.files import replace_file
from layers.exports.gdal_files import FIXED_TIME, ROWS_PER_BLOCK, write_rows
from layers.exports.layer_rows import BLOCK, Rows
from layers.exports.tables import write_csv

Encoding = Literal["gbk", "utf-8"]
LARGEST_FILE = 2**31 - 1
"""Bytes of a .shp or .dbf that every reader takes."""

_WIDEST_TEXT = 254
_NAME_LENGTH = 10
_NUMBER_WIDTH = 24
_SIDECARS = (".shx", ".dbf", ".cpg", ".shp")


def write_shapefiles(bundle: Bundle, folder: Path | str, *, encoding: Encoding = "utf-8",
                     largest_file: int = LARGEST_FILE) -> tuple[Path, ...]:
    """Write each layer of a study as a Shapefile, and what became of its fields as ``fields.csv``.

    Parameters
    ----------
    bundle
        The study.
    folder
        Where to write.
    encoding
        Encoding of text; a ``.cpg`` beside each file names it and must stay with it.
    largest_file
        Bytes that no file may exceed.

    Returns
    -------
    tuple of Path
        The ``.shp`` files, then ``fields.csv``.

    Raises
    ------
    ExportError
        A layer is too large for the format, or a file cannot be written.
    """
    written, rows = [], []
    for layer in bundle.layers:
        names = short_names(layer.columns)
        fitted = _FittedRows(layer.rows, names, encoding)
        changed = _measured(layer, fitted, encoding, largest_file)
        path = Path(folder) / f"{layer.name}{bundle.target.suffix}.shp"
        _write(fitted, path, encoding)
        written.append(path)
        rows += [{"file": path.name, "field": names[column], "name": column, "title_zh": layer.titles.get(column, ""),
                  "n_cut": changed[column][0], "n_unencodable": changed[column][1]} for column in layer.columns]
    columns = ["file", "field", "name", "title_zh", "n_cut", "n_unencodable"]
    table = pd.DataFrame(rows, columns=columns)
    return (*written, write_csv(table, Path(folder) / f"fields{bundle.target.suffix}.csv"))


def short_names(columns: Sequence[str]) -> dict[str, str]:
    """Return a name of at most ten ASCII characters for each column, all different whatever their case.

    A short name stays. Of a long one, words lose their inner vowels and then their ends, the longest word first; a
    name without ASCII letters becomes ``F`` and its number.
    """
    taken: set[str] = set()
    found = {}
    for place, column in enumerate(columns):
        base = _abbreviated(column) or f"F{place + 1}"
        name, number = base, 1
        while name.lower() in taken:
            number += 1
            name = base[:_NAME_LENGTH - len(str(number))] + str(number)
        taken.add(name.lower())
        found[column] = name
    return found


def _abbreviated(column: str) -> str:
    plain = re.sub(r"\W", "", column, flags=re.ASCII)
    # A part of a Chinese name would be read as the whole of another one.
    if plain != column:
        return ""
    words = [word for word in plain.split("_") if word]
    if len(plain) > _NAME_LENGTH:
        words = [word[0] + re.sub("[aeiou]", "", word[1:]) for word in words]
    while len("_".join(words)) > _NAME_LENGTH:
        longest = max(range(len(words)), key=lambda i: (len(words[i]), i))
        if len(words[longest]) == 1:
            return "".join(words)[:_NAME_LENGTH]
        words[longest] = words[longest][:-1]
    return "_".join(words)


@dataclass(frozen=True, eq=False, slots=True)
class _FittedRows:
    """The features of a layer under short names, with text that a Shapefile holds."""

    given: Rows
    names: Mapping[str, str]
    encoding: Encoding

    def __len__(self) -> int:
        return len(self.given)

    def head(self, n_rows: int) -> gpd.GeoDataFrame:
        return self._fitted(self.given.head(n_rows))

    def blocks(self, n_rows: int = BLOCK) -> Iterator[gpd.GeoDataFrame]:
        return map(self._fitted, self.given.blocks(n_rows))

    @property
    def geometry_types(self) -> frozenset[str]:
        return self.given.geometry_types

    def _fitted(self, block: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        fitted = {name: _texts(block[name], self.encoding)[0] for name in self.names if not _is_plain(block[name])}
        return block.assign(**fitted).rename(columns=dict(self.names))


def _is_plain(column: pd.Series[Any]) -> bool:
    return getattr(column.dtype, "kind", "O") in "biuf"


def _texts(column: pd.Series[Any], encoding: Encoding) -> tuple[pd.Series[Any], int, int, int]:
    """Return a column as text that fits; how many values were cut, how many have a ``?``, and the most bytes."""
    codes, words = pd.factorize(column)
    made = [_fit(str(word), encoding) for word in words]
    counts = np.bincount(codes[codes >= 0], minlength=len(made)).tolist() if made else []
    n_cut = sum(n for n, m in zip(counts, made, strict=True) if m[1])
    n_lost = sum(n for n, m in zip(counts, made, strict=True) if m[2])
    width = max((len(m[0].encode(encoding)) for n, m in zip(counts, made, strict=True) if n), default=1)
    texts = np.array([*(m[0] for m in made), None], dtype=object)
    return pd.Series(texts[codes], index=column.index, dtype=object), n_cut, n_lost, width


def _fit(text: str, encoding: Encoding) -> tuple[str, bool, bool]:
    """Return text in at most 254 bytes of the encoding, whether it was cut, and whether a character was lost."""
    held = text.encode(encoding, errors="replace")
    known = held.decode(encoding)
    if len(held) <= _WIDEST_TEXT:
        return known, False, known != text
    # Cut between characters: half a character makes the whole field unreadable.
    return held[:_WIDEST_TEXT].decode(encoding, errors="ignore"), True, known != text


def _measured(layer: StudyLayer, rows: _FittedRows, encoding: Encoding,
              largest_file: int) -> dict[str, tuple[int, int]]:
    """Return by column how many values must be cut and how many have a ``?``; refuse a layer that is too large."""
    changed = dict.fromkeys(layer.columns, (0, 0))
    widths = dict.fromkeys(layer.columns, 1)
    shp = 100
    for block in layer.rows.blocks(ROWS_PER_BLOCK):
        geometries = block.geometry.to_numpy()
        n_parts = int(shapely.get_num_geometries(geometries).sum())
        n_parts += int(shapely.get_num_interior_rings(geometries).sum())
        shp += 60 * len(block) + 4 * n_parts + 16 * int(shapely.get_num_coordinates(geometries).sum())
        for column in layer.columns:
            if _is_plain(block[column]):
                widths[column] = _NUMBER_WIDTH
                continue
            _, n_cut, n_lost, width = _texts(block[column], encoding)
            changed[column] = (changed[column][0] + n_cut, changed[column][1] + n_lost)
            widths[column] = max(widths[column], width)
    dbf = 32 * (len(layer.columns) + 1) + (1 + sum(widths.values())) * len(rows)
    if max(shp, dbf) > largest_file:
        raise ExportError(
            f"layer {layer.name} would take {max(shp, dbf) / 1e9:.1f} GB as a Shapefile, which ends at "
            f"{largest_file / 1e9:.1f} GB; export it as gpkg or fgb",
            f"图层 {layer.name} 写成 Shapefile 约需 {max(shp, dbf) / 1e9:.1f} GB，超过该格式"
            f"上限 {largest_file / 1e9:.1f} GB；请改用 gpkg 或 fgb",
        )
    return changed


def _write(rows: _FittedRows, path: Path, encoding: Encoding) -> None:
    """Write the parts of a Shapefile in a folder beside and move them, the geometry last."""
    name = {"gbk": "GBK", "utf-8": "UTF-8"}[encoding]
    with (replace_file(path.with_suffix(".prj")) as partial,
          tempfile.TemporaryDirectory(prefix=".draft-", dir=path.parent) as folder):
        options = {"DBF_DATE_LAST_UPDATE": FIXED_TIME[:10], "RESIZE": "YES", "2GB_LIMIT": "YES"}
        write_rows(rows, Path(folder) / path.name, driver="ESRI Shapefile", layer=path.stem, encoding=name,
                   options=options)
        os.replace(Path(folder) / f"{path.stem}.prj", partial)  # noqa: PTH105 - the atomic call
        for ending in _SIDECARS:
            made = Path(folder) / f"{path.stem}{ending}"
            if made.exists():
                os.replace(made, path.with_suffix(ending))  # noqa: PTH105 - the atomic call
