"""Parquet of large studies: standard GeoParquet, the same bytes every time, one row found without the rest."""

from __future__ import annotations

import builtins
import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from shapely.geometry import GeometryCollection, LineString, MultiPoint, MultiPolygon, Point, Polygon, box

from gis.bilingual import Text
from gis.errors import ExportError
from layers.exports.geoparquet import (
    TITLE_KEY,
    geometry_types,
    read_column,
    read_row,
    require_pyarrow,
    wkb_in_degrees,
    write_parquet,
)

pq = pytest.importorskip("pyarrow.parquet")


def _frame(n: int = 10) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {"key": np.array([f"P-{i:02d}" for i in range(n)], dtype=object), "ok": np.arange(n) % 2 == 0,
         "value": [np.nan, np.inf, *range(2, n)], "rank": pd.array([None, *range(1, n)], dtype="Int64"),
         "word": pd.Series([None, "\ud800", *["地块"] * (n - 2)], dtype=object)},
        geometry=[box(471000 + i, 3847000, 471010 + i, 3847010) for i in range(n)], crs="EPSG:4547")


def _write(frame, path, rows_each=4):
    blocks = (frame.iloc[s:s + rows_each] for s in range(0, len(frame), rows_each))
    return write_parquet(blocks, path, titles={"key": "编号"}, types=["Polygon"], metadata={"note": "甲"})


def test_geopandas_reads_it_as_longitude_and_latitude(tmp_path):
    frame = _frame()
    found = gpd.read_parquet(_write(frame, tmp_path / "a.parquet"))
    assert found.crs.to_epsg() == 4326
    assert found.to_crs("EPSG:4547").geometry.geom_equals_exact(frame.geometry, 1e-4).all()
    assert found["value"].isna().tolist() == [True] + [False] * 9
    assert found["value"][1] == np.inf
    assert found["rank"].isna().sum() == 1
    assert found["word"].isna().tolist() == [True] + [False] * 9
    assert found["word"].tolist()[1:3] == ["?", "地块"]


def test_the_file_says_what_geoparquet_wants(tmp_path):
    file = pq.ParquetFile(_write(_frame(), tmp_path / "a.parquet"))
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [4, 4, 2]
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    metadata = file.schema_arrow.metadata
    geo = json.loads(metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    assert geo["columns"]["geometry"]["geometry_types"] == ["Polygon"]
    assert geo["columns"]["geometry"]["crs"]["id"] == {"authority": "EPSG", "code": 4326}
    assert file.schema_arrow.field("key").metadata[TITLE_KEY].decode() == "编号"
    assert json.loads(metadata[b"note"]) == "甲"


def test_the_same_rows_give_the_same_bytes(tmp_path):
    assert _write(_frame(), tmp_path / "a").read_bytes() == _write(_frame(), tmp_path / "b").read_bytes()


def test_one_row_is_found_wherever_it_lies(tmp_path):
    path = _write(_frame(), tmp_path / "a.parquet")
    for i in range(10):
        row = read_row(path, "key", f"P-{i:02d}")
        assert row is not None
        assert row["key"] == f"P-{i:02d}"
        assert row["rank"] == (i or None)
        assert "geometry" not in row
    assert read_row(path, "key", "P-99") is None
    assert read_row(path, "key", "P-04x") is None
    assert read_row(path, "key", "\ud800") is None
    assert read_column(path, "key") == [f"P-{i:02d}" for i in range(10)]


def test_a_failure_leaves_no_file(tmp_path):
    def blocks():
        yield _frame()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_parquet(blocks(), tmp_path / "a.parquet", titles={})
    assert list(tmp_path.iterdir()) == []


def test_kinds_of_geometry():
    square = box(0, 0, 1, 1)
    both = np.array([square, MultiPolygon([square]), None, square, Point(0, 0)], dtype=object)
    assert geometry_types(both) == ["MultiPolygon", "Point", "Polygon"]


def test_without_pyarrow_the_remedy_is_named(monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest, **named):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ExportError) as caught:
        require_pyarrow(Text(zh="地块", en="parcels"))
    assert "pip install suanzhi[parquet]" in caught.value.text.en
    assert "pip install suanzhi[parquet]" in caught.value.text.zh


def test_coordinates_are_moved_in_the_bytes_of_any_geometry():
    square = box(471000, 3847000, 471010, 3847010)
    holed = box(471000, 3847000, 471900, 3847900).difference(square.buffer(100, cap_style="square"))
    line = LineString([(471000, 3847000, 5.0), (471020, 3847030, 6.0)])
    inner = GeometryCollection([Point(471005, 3847000), MultiPolygon([holed, square]), Polygon()])
    given = gpd.GeoSeries([square, None, holed, line, Polygon(), Point(), MultiPoint([(471000, 3847000), (471001, 1)]),
                           GeometryCollection([inner, line, square])], crs="EPSG:4547")
    found = shapely.from_wkb(wkb_in_degrees(given).to_pylist())
    flat = gpd.GeoSeries(shapely.force_2d(np.asarray(given.array, dtype=object)), crs=given.crs)
    wanted = np.asarray(flat.to_crs("EPSG:4326").array, dtype=object)
    assert shapely.to_wkb(found).tolist() == shapely.to_wkb(wanted).tolist()
    assert len(wkb_in_degrees(given.iloc[:0])) == 0


def test_categorical_words_are_plain_text_in_the_file(tmp_path):
    frame = _frame()
    coded = frame.assign(word=pd.Categorical.from_codes(
        [0, -1, 1, 0, 2, -1, 0, 1, 1, 0], categories=pd.Index(["甲", "乙", "\ud800"], dtype=object)))
    plain = frame.assign(word=pd.Series(["甲", None, "乙", "甲", "\ud800", None, "甲", "乙", "乙", "甲"], dtype=object))
    assert _write(coded, tmp_path / "a").read_bytes() == _write(plain, tmp_path / "b").read_bytes()
    assert str(pq.ParquetFile(tmp_path / "a").schema_arrow.field("word").type) == "string"
