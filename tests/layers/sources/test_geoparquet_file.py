"""A GeoParquet file read a few rows at a time is what geopandas reads."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from geopandas.testing import assert_geodataframe_equal

from gis.errors import LayerError
from layers.sources import geoparquet_file
from layers.sources.geoparquet_file import ahead, opened, read_geoparquet

N = 50


def frame_of(n: int = N) -> gpd.GeoDataFrame:
    rng = np.random.default_rng(1)
    return gpd.GeoDataFrame({
        "name": np.array(["甲", None, "乙 "], dtype=object)[rng.integers(0, 3, n)], "n": rng.integers(0, 9, n),
        "share": np.where(rng.random(n) < 0.2, np.nan, rng.random(n)), "is_new": rng.random(n) < 0.5,
        "kind": pd.Categorical(rng.choice(["a", "b"], n)), "when": pd.Timestamp("2024-02-29"),
        "count": pd.array(np.where(rng.random(n) < 0.2, None, 7), dtype="Int64"),
    }, geometry=shapely.points(rng.uniform(0, 1e5, (n, 2))), crs="EPSG:4547")


@pytest.fixture(autouse=True)
def _few_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geoparquet_file, "_ROWS", 7)


@pytest.mark.parametrize("change", [
    lambda frame: frame,
    lambda frame: frame.rename_geometry("几何")[["几何", "name", "n"]],
    lambda frame: frame.set_index("name"),
    lambda frame: frame.set_axis(range(100, 100 + 2 * len(frame), 2)),
    lambda frame: frame[["geometry"]],
    lambda frame: frame.iloc[:0],
    lambda frame: frame.assign(other=gpd.GeoSeries(frame.geometry, crs=frame.crs).buffer(1.0)),
    lambda frame: frame.set_crs(None, allow_override=True),
    lambda frame: frame.to_crs("EPSG:4326"),
])
def test_frame_is_that_of_geopandas(tmp_path: Path, change: object) -> None:
    change(frame_of()).to_parquet(tmp_path / "a.parquet", row_group_size=11)
    expected = gpd.read_parquet(tmp_path / "a.parquet").reset_index(drop=True)
    assert_geodataframe_equal(read_geoparquet(tmp_path / "a.parquet", "parcels"), expected)


def test_columns_of_boxes_and_other_encodings_are_read_as_geopandas_does(tmp_path: Path) -> None:
    frame_of().to_parquet(tmp_path / "a.parquet", write_covering_bbox=True)
    found = read_geoparquet(tmp_path / "a.parquet", "parcels")
    assert_geodataframe_equal(found, gpd.read_parquet(tmp_path / "a.parquet"))
    assert "bbox" not in found.columns
    frame_of().to_parquet(tmp_path / "b.parquet", geometry_encoding="geoarrow")
    assert_geodataframe_equal(read_geoparquet(tmp_path / "b.parquet", "parcels"), frame_of().pipe(_as_read, tmp_path))


def _as_read(frame: gpd.GeoDataFrame, folder: Path) -> gpd.GeoDataFrame:
    frame.to_parquet(folder / "c.parquet")
    return gpd.read_parquet(folder / "c.parquet")


def test_heights_are_dropped_and_broken_bytes_are_no_geometry(tmp_path: Path) -> None:
    frame = frame_of(3)
    frame.to_parquet(tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    odd = pa.array([shapely.to_wkb(shapely.Point(1, 2, 3)), b"\x01\x02", None], type=pa.binary())
    at = table.column_names.index("geometry")
    pq.write_table(table.set_column(at, "geometry", odd), tmp_path / "a.parquet")
    found = read_geoparquet(tmp_path / "a.parquet", "parcels").geometry
    assert found.iloc[0].wkt == "POINT (1 2)"
    assert found.isna().tolist() == [False, True, True]


@pytest.mark.parametrize("rows", [1, 7, 10, 49, 50, 51])
def test_parts_have_the_rows_that_were_asked_for(tmp_path: Path, rows: int) -> None:
    frame_of().to_parquet(tmp_path / "a.parquet", row_group_size=11)
    with opened(tmp_path / "a.parquet", "parcels") as layer:
        assert layer is not None
        parts = list(layer.frames(rows))
        assert layer.n_rows == N
    assert [len(part) for part in parts] == [rows] * (N // rows) + ([N % rows] if N % rows else [])
    whole = read_geoparquet(tmp_path / "a.parquet", "parcels")
    assert_geodataframe_equal(pd.concat(parts, ignore_index=True).astype({"kind": "category"}), whole)


def test_a_complaint_while_reading_names_file_and_layer(tmp_path: Path) -> None:
    frame_of(4_000).to_parquet(tmp_path / "a.parquet", row_group_size=1_000)
    content = bytearray((tmp_path / "a.parquet").read_bytes())
    content[len(content) // 2 - 2_000:len(content) // 2 + 2_000] = bytes(4_000)
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(LayerError, match=r"layer 'parcels': .*a\.parquet cannot be read"):
        read_geoparquet(tmp_path / "a.parquet", "parcels")


def test_mistakes_of_the_caller_are_not_blamed_on_the_file(tmp_path: Path) -> None:
    frame_of().to_parquet(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="mine"), opened(tmp_path / "a.parquet", "parcels"):
        raise ValueError("mine")


def test_items_come_in_order_and_errors_too() -> None:
    def items():
        yield from range(5)
        raise KeyError("end")

    coming = ahead(items())
    assert [next(coming) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(KeyError, match="end"):
        next(coming)
