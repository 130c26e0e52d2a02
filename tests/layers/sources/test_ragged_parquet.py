"""Coordinates straight from the bytes of a GeoParquet file are those of GEOS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from gis import _wkb_kernels as kernels
from gis.errors import LayerError
from gis.ragged import Paths, flatten
from layers.sources import ragged_parquet
from layers.sources.ragged_parquet import boxes_of, read_ragged

SQUARE = shapely.box(0, 0, 10, 10)
HOLED = shapely.Polygon(SQUARE.exterior, [shapely.box(2, 2, 3, 3).exterior, shapely.box(5, 5, 7, 8).exterior])
KINDS = {
    "polygons": [SQUARE, HOLED, shapely.MultiPolygon([HOLED, shapely.box(20, 0, 21, 1)])],
    "points": [shapely.Point(1, 2), shapely.MultiPoint([(1, 2), (3, 4)]), shapely.Point(-0.0, 1e-300)],
    "lines": [shapely.LineString([(0, 0), (1, 5), (2, 2)]),
              shapely.MultiLineString([[(0, 0), (1, 1)], [(2, 2), (3, 4)]])],
    "empty": [None, shapely.Polygon(), SQUARE, shapely.MultiPolygon(), shapely.LineString(), None],
    "nothing": [None, None],
    "no rows": [],
    "heights": [shapely.force_3d(HOLED, 7.0), SQUARE, shapely.force_3d(shapely.MultiPoint([(1, 2), (3, 4)]), 1.0)],
    "collections": [shapely.GeometryCollection([SQUARE, shapely.Point(1, 1)]), HOLED],
    "empty points": [shapely.Point(), SQUARE],
    "not finite": [SQUARE, shapely.transform(shapely.LineString([(0, 0), (1, 5), (2, 2)]),
                                             lambda xy: np.where(xy == 1, np.nan, xy))],
}


def written(folder: Path, geometries: list[Any], row_group: int | None = None) -> Path:
    frame = gpd.GeoDataFrame({"name": [f"地块{i}" for i in range(len(geometries))], "n": np.arange(len(geometries))},
                             geometry=geometries, crs="EPSG:4547")
    frame.to_parquet(folder / "file.parquet", row_group_size=row_group)
    return folder / "file.parquet"


def check_same(found: Paths, expected: Paths) -> None:
    for name, ours, theirs in zip(Paths._fields, found, expected, strict=True):
        assert ours.dtype == theirs.dtype, name
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_paths_are_those_of_geos(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path, KINDS[kind])
    with np.errstate(invalid="ignore"):
        expected = flatten(gpd.read_parquet(path).geometry.to_numpy())
    check_same(read_ragged(path).paths, expected)


def test_row_groups_are_joined_in_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    shapes = [shapely.Point(*rng.uniform(0, 1e5, 2)).buffer(rng.uniform(1, 90), quad_segs=int(rng.integers(1, 9)))
              for _ in range(500)]
    shapes = [*shapes, *KINDS["polygons"], *KINDS["empty"], *KINDS["lines"]] * 2
    path = written(tmp_path, shapes, row_group=97)
    layer = read_ragged(path, ["n", "name"])
    check_same(layer.paths, flatten(np.array(shapes, dtype=object)))
    assert layer.attributes.columns.tolist() == ["n", "name"]
    assert layer.attributes["n"].tolist() == list(range(len(shapes)))
    assert layer.attributes["name"].iloc[-1] == f"地块{len(shapes) - 1}"


@pytest.mark.parametrize("flavor", ["iso", "extended"])
def test_the_kernel_reads_heights_of_both_flavours(flavor: str) -> None:
    given = shapely.to_wkb(shapely.force_3d(HOLED, 7.0), flavor=flavor, byte_order=1)
    data, start = np.frombuffer(given, dtype=np.uint8), np.array([0, len(given)])
    assert kernels.measure(data, start, np.array([True])) == (1, 3, 15)


def test_bytes_that_are_cut_short_are_never_read_beyond_their_end() -> None:
    whole = shapely.to_wkb(KINDS["polygons"][2], byte_order=1)
    for n in range(len(whole)):
        data = np.frombuffer(whole[:n] + b"\xff" * 8, dtype=np.uint8)
        assert kernels.measure(data, np.array([0, n]), np.array([True])) == (kernels.OTHER,) * 3, n


@pytest.mark.parametrize("options", [{"byte_order": 0}, {"include_srid": True, "byte_order": 1}])
def test_other_ways_of_writing_give_the_same(tmp_path: Path, options: dict[str, Any]) -> None:
    path = written(tmp_path, KINDS["polygons"])
    table = pq.read_table(path)
    odd = pa.array(list(shapely.to_wkb(shapely.set_srid(np.array(KINDS["polygons"]), 4547), **options)))
    pq.write_table(table.set_column(table.column_names.index("geometry"), "geometry", odd), path)
    check_same(read_ragged(path).paths, flatten(np.array(KINDS["polygons"])))


def test_a_complaint_names_file_and_remedy(tmp_path: Path) -> None:
    path = written(tmp_path, KINDS["polygons"])
    with pytest.raises(LayerError, match="no column price; it has: name, n"):
        read_ragged(path, ["price"])
    pq.write_table(pa.table({"a": [1]}), tmp_path / "plain.parquet")
    with pytest.raises(LayerError, match="without a geometry column"):
        read_ragged(tmp_path / "plain.parquet")
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(LayerError, match="cannot be read as GeoParquet"):
        read_ragged(path)
    with pytest.raises(LayerError, match=r"absent\.parquet"):
        read_ragged(tmp_path / "absent.parquet")
    gpd.GeoDataFrame(geometry=[SQUARE], crs=4547).to_parquet(tmp_path / "arrow.parquet", geometry_encoding="geoarrow")
    with pytest.raises(LayerError, match="encoded as polygon; write it as WKB"):
        read_ragged(tmp_path / "arrow.parquet")


@pytest.mark.parametrize("kind", KINDS)
def test_boxes_are_those_of_geos(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path, KINDS[kind])
    boxes, n_vertices = boxes_of(pq.read_table(path)["geometry"])
    with np.errstate(invalid="ignore"):
        shapes = gpd.read_parquet(path).geometry.to_numpy()
    np.testing.assert_array_equal(boxes, shapely.bounds(shapes).reshape(-1, 4))
    np.testing.assert_array_equal(n_vertices, shapely.get_num_coordinates(shapes))


def test_a_column_that_repeats_itself_is_larger_than_in_the_file(tmp_path: Path) -> None:
    ring = shapely.Point(0, 0).buffer(50.0, quad_segs=64)
    path = written(tmp_path, [ring] * 300 + KINDS["collections"] + [ring] * 300, row_group=200)
    table = pq.read_table(path)
    pq.write_table(table, path, use_dictionary=True)
    size = sum(pq.read_metadata(path).row_group(0).column(i).total_uncompressed_size for i in range(3))
    assert size < 600 * 257 * 16 / 10
    check_same(read_ragged(path).paths, flatten(np.array([ring] * 300 + KINDS["collections"] + [ring] * 300)))


def test_geometries_are_written_behind_those_of_earlier_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ragged_parquet, "_ROWS", 3)
    shapes = [shape for kind in ("polygons", "empty", "collections", "lines", "heights", "points")
              for shape in KINDS[kind]]
    check_same(read_ragged(written(tmp_path, shapes)).paths, flatten(np.array(shapes, dtype=object)))


def test_unpacking_stops_where_bytes_are_cut_short() -> None:
    whole = shapely.to_wkb(KINDS["polygons"][2], byte_order=1)
    for n in range(len(whole) + 1):
        data = np.frombuffer(whole[:n] + b"\xff" * 8, dtype=np.uint8)
        room = [np.empty((40, 2)), np.empty(40, dtype=np.int64), np.empty(40, dtype=np.int64),
                np.empty(40, dtype=np.bool_), np.empty(2, dtype=np.int64)]
        found = kernels.unpack(data, np.array([0, n]), np.array([True]), *room, np.zeros(4, dtype=np.int64))
        assert found == ((20, 4, 2) if n == len(whole) else (kernels.OTHER,) * 3), n
