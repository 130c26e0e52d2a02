"""The parcels of a study too large for text, read from its Parquet file block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from layers.exports.layer_rows import BLOCK, types_in
from layers.exports.targets import Target, placed

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

_SAMPLE = 256
_MOST = 16_384
"""Features held at a time, whatever is asked for: about 4.5 kB each."""
_UNIQUE = ("parcel_id", "name")
"""Columns of text that seldom repeats."""


@dataclass(frozen=True, eq=False)
class ParquetRows:
    """Features of a GeoParquet file in longitude and latitude that this product wrote; no more than a block is held."""

    path: Path
    said_in: Mapping[str, Callable[[str], str]] = field(default_factory=dict)
    """How the words of columns are said in the language asked for."""
    target: Target | None = None
    """The CRS wanted; None for that of the file."""

    def __len__(self) -> int:
        """Return how many there are."""
        return int(self._metadata.num_rows)

    def head(self, n_rows: int) -> gpd.GeoDataFrame:
        """Return the first features."""
        return self._sample.iloc[:n_rows] if n_rows <= len(self._sample) else next(self._read(n_rows))

    def blocks(self, n_rows: int = BLOCK) -> Iterator[gpd.GeoDataFrame]:
        """Read row group after row group, and give at most so many features of it at a time."""
        return self._read(min(n_rows, _MOST))

    def column(self, name: str) -> pd.Series[Any]:
        """Read one column."""
        import pyarrow.parquet as pq  # type: ignore[import-untyped]

        return self._worded(name, pq.read_table(self.path, columns=[name]).column(name).to_pandas())

    @cached_property
    def whole(self) -> gpd.GeoDataFrame:
        """All features at once; words become categories, which take a byte or two instead of a text each."""
        import pyarrow.parquet as pq

        return self._frame(pq.read_table(self.path, read_dictionary=self._words))

    @property
    def geometry_types(self) -> frozenset[str]:
        """Kinds of geometry that occur."""
        return self._survey[0]

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Bounds in the CRS wanted."""
        return self._survey[1]

    @cached_property
    def _metadata(self) -> Any:
        import pyarrow.parquet as pq

        return pq.read_metadata(self.path)

    @cached_property
    def _words(self) -> list[str]:
        import pyarrow as pa

        schema = self._metadata.schema.to_arrow_schema()
        return [f.name for f in schema if pa.types.is_string(f.type) and f.name not in _UNIQUE]

    @cached_property
    def _survey(self) -> tuple[frozenset[str], tuple[float, float, float, float]]:
        kinds: frozenset[str] = frozenset()
        boxes = []
        for block in self._read(BLOCK, ["geometry"]):
            kinds |= types_in(block)
            boxes.append(block.total_bounds)
        low, high = np.nanmin(boxes, axis=0), np.nanmax(boxes, axis=0)
        return kinds, (float(low[0]), float(low[1]), float(high[2]), float(high[3]))

    @cached_property
    def _sample(self) -> gpd.GeoDataFrame:
        return next(self._read(_SAMPLE))

    def _read(self, n_rows: int, columns: list[str] | None = None) -> Iterator[gpd.GeoDataFrame]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        start = 0
        with pq.ParquetFile(self.path, read_dictionary=self._words) as file:
            for group in range(file.num_row_groups):
                for batch in file.iter_batches(n_rows, row_groups=[group], columns=columns):
                    frame = self._frame(pa.Table.from_batches([batch]))
                    yield frame.set_axis(range(start, start + len(frame)), axis=0)
                    start += len(frame)

    def _frame(self, table: Any) -> gpd.GeoDataFrame:
        import geopandas as gpd
        import pandas as pd
        import pyarrow as pa
        import shapely

        shapes = shapely.from_wkb(table.column("geometry").to_numpy(zero_copy_only=False))
        # Whole numbers stay whole where some are missing, in one block as in all others.
        plain = table.drop_columns(["geometry"]).to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
        frame = gpd.GeoDataFrame(plain.assign(**{name: self._worded(name, plain[name]) for name in plain.columns
                                                 if name in self.said_in}), geometry=shapes, crs="EPSG:4326")
        return frame if self.target is None else placed(frame, self.target)

    def _worded(self, name: str, column: pd.Series[Any]) -> pd.Series[Any]:
        """Return a column in the words of the language asked for."""
        import pandas as pd

        say = self.said_in.get(name)
        if say is None:
            return column
        given = column.astype("category")
        words = {word: say(str(word)) for word in given.cat.categories}
        # Two words may have one translation, which categories do not allow to be renamed to.
        return given.map(words).astype(pd.CategoricalDtype(sorted(set(words.values()))))
