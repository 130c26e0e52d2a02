"""The parcels of a large study, read block by block, are those read at once."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from layers.exports.targets import target_of
from siting.finished_study import LARGE_PARCEL_LAYER, read_finished
from suanzhi.finished_layers import read_layer
from suanzhi.parquet_rows import ParquetRows


@pytest.fixture
def rows(finished_large: Path, tmp_path: Path) -> ParquetRows:
    """The layer in three row groups of unequal length."""
    table = pq.read_table(finished_large / LARGE_PARCEL_LAYER)
    with pq.ParquetWriter(tmp_path / "p.parquet", table.schema) as writer:
        for start, size in ((0, 64), (64, 7), (71, 129)):
            writer.write_table(table.slice(start, size))
    read = read_layer(read_finished(finished_large), "parcels", "zh").rows
    assert isinstance(read, ParquetRows)
    return ParquetRows(tmp_path / "p.parquet", read.said_in, target_of("EPSG:4547"))


@pytest.mark.parametrize("n_rows", [1000, 50, 3])
def test_blocks_are_the_whole(rows: ParquetRows, n_rows: int) -> None:
    blocks = list(rows.blocks(n_rows))
    assert max(map(len, blocks)) <= n_rows
    assert sum(map(len, blocks)) == len(rows) == 200
    joined = pd.concat([b.astype({c: object for c, d in b.dtypes.items() if str(d) == "category"}) for b in blocks])
    whole = rows.whole.astype({c: object for c, d in rows.whole.dtypes.items() if str(d) == "category"})
    pd.testing.assert_frame_equal(pd.DataFrame(joined), pd.DataFrame(whole), check_index_type=False)
    assert {str(b.dtypes["large_rank"]) for b in blocks} == {"Int64"}


def test_what_is_told_of_all(rows: ParquetRows) -> None:
    whole = rows.whole
    assert rows.bounds == tuple(whole.total_bounds)
    assert rows.geometry_types == {g.geom_type for g in whole.geometry}
    assert rows.column("land_use").tolist() == whole["land_use"].tolist()
    assert np.array_equal(rows.column("large_score"), whole["large_score"], equal_nan=True)
    assert len(rows.head(3)) == 3
    assert isinstance(rows.head(0), gpd.GeoDataFrame)
    assert rows.head(0).columns.tolist() == whole.columns.tolist()
    assert set(whole["certainty"]) == {"合成"}
