from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from pyproj import CRS, Transformer
from shapely import Point

from gis.datum import wgs84_to_bd09, wgs84_to_gcj02
from gis.errors import CrsError, DatumError, UsageError
from layers.placement import datum_family, place, undeclared_degrees
from layers.sources.types import LoadContext
from layers.types import LayerSpec

CONTEXT = LoadContext(metric_crs="EPSG:4547", frames={})
AREA = (113.4, 34.6, 113.8, 34.8)


def _spec(**more: object) -> LayerSpec:
    return LayerSpec(name="roads", source="vector_file", **more)  # type: ignore[arg-type]


def _point(x: float, y: float, crs: str | None) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"a": [1]}, geometry=[Point(x, y)], crs=crs)


@pytest.mark.parametrize("crs", ["EPSG:4326", "OGC:CRS84", "EPSG:3857", None])
def test_undeclared_datum_stops_with_the_line_to_write(crs: str | None) -> None:
    frame = _point(113.6, 34.7, "EPSG:4326")
    frame = frame.to_crs(crs) if crs else frame.set_crs(None, allow_override=True)
    with pytest.raises(DatumError) as caught:
        place(frame, _spec(), CONTEXT)
    for language in ("zh", "en"):
        assert 'datum = "gcj02"' in caught.value.message(language)
        assert "[layers.roads]" in caught.value.message(language)


@pytest.mark.parametrize(("crs", "note"), [
    ("EPSG:4490", "cgcs2000 (from EPSG:4490)"), ("EPSG:4547", "cgcs2000 (from EPSG:4547)"),
    ("EPSG:4526", "cgcs2000 (from EPSG:4526)"), ("EPSG:32649", "wgs84 (from EPSG:32649)"),
])
def test_crs_that_counts_as_a_declaration(crs: str, note: str) -> None:
    there = _point(113.6, 34.7, "EPSG:4326")
    placed = place(there.to_crs(crs), _spec(), CONTEXT)
    assert placed.datum_note == note
    assert placed.crs == crs
    expected = there.to_crs("EPSG:4547").geometry.iloc[0]
    assert placed.frame.geometry.iloc[0].distance(expected) < 0.01


@pytest.mark.parametrize(("datum", "forward"), [("gcj02", wgs84_to_gcj02), ("bd09", wgs84_to_bd09)])
@pytest.mark.parametrize("label", ["EPSG:4326", "EPSG:4490", "EPSG:4547", "EPSG:3857", None])
def test_shifted_datum_is_undone_whatever_the_label(datum: str, forward: object, label: str | None) -> None:
    lon, lat = forward(113.6, 34.7)  # type: ignore[operator]
    frame = _point(float(lon), float(lat), "EPSG:4326")
    frame = frame.to_crs(label) if label else frame.set_crs(None, allow_override=True)
    placed = place(frame, _spec(datum=datum), CONTEXT)
    truth = _point(113.6, 34.7, "EPSG:4326").to_crs("EPSG:4547").geometry.iloc[0]
    assert placed.frame.geometry.iloc[0].distance(truth) < 0.05
    assert placed.datum_note == f"{datum} (declared)"
    assert frame.to_crs("EPSG:4547").geometry.iloc[0].distance(truth) > 300 if label else True


def test_declared_datum_goes_before_that_of_the_source() -> None:
    frame = _point(113.6, 34.7, "EPSG:4326")
    as_source_says = place(frame, _spec(), CONTEXT, datum="gcj02").frame.geometry.iloc[0]
    as_declared = place(frame, _spec(datum="wgs84"), CONTEXT, datum="gcj02").frame.geometry.iloc[0]
    assert 300 < as_source_says.distance(as_declared) < 800


def test_declared_crs_overrides_the_label() -> None:
    metric = _point(460000, 3840000, "EPSG:4544")
    assert place(metric, _spec(crs="EPSG:4547"), CONTEXT).frame.geometry.iloc[0].wkt == "POINT (460000 3840000)"


@pytest.mark.parametrize("crs", ["EPSG:2383", "EPSG:4610", "EPSG:4214", "EPSG:2434"])
def test_old_datums_are_refused(crs: str) -> None:
    there = _point(113.6, 34.7, "EPSG:4326") if CRS(crs).is_geographic else _point(460000, 3840000, "EPSG:4547")
    with pytest.raises(DatumError, match="CGCS2000"):
        place(there.set_crs(crs, allow_override=True), _spec(), CONTEXT)


def test_no_crs_and_no_degrees() -> None:
    with pytest.raises(CrsError, match=r"EPSG:4547.*\[layers.roads\]"):
        place(_point(460000, 3840000, None), _spec(), CONTEXT)


def test_swapped_axes_are_named() -> None:
    with pytest.raises(CrsError, match=r"'roads'.*latitude comes before longitude"):
        place(_point(34.7, 113.6, "EPSG:4326"), _spec(datum="wgs84"), CONTEXT, area=AREA)
    with pytest.raises(CrsError, match="northing comes before easting"):
        place(_point(3840000, 460000, "EPSG:4547"), _spec(), CONTEXT, area=AREA)


def test_one_impossible_row_does_not_cost_the_layer() -> None:
    frame = gpd.GeoDataFrame(geometry=[Point(113.6, 34.7), Point(9999, 34.7), Point(np.nan, 1)], crs="EPSG:4326")
    placed = place(frame, _spec(datum="wgs84"), CONTEXT, area=AREA)
    assert placed.frame.geometry.isna().tolist() == [False, True, True]


def test_names_of_esri_for_both_datums() -> None:
    for code, family in (("EPSG:4547", "cgcs2000"), ("EPSG:32649", "wgs84"), ("EPSG:2383", "other")):
        assert datum_family(CRS(CRS(code).to_wkt("WKT1_ESRI"))) == family


def test_real_gcj02_boundaries_land_on_tianditu(shared_data: Path) -> None:
    amap = gpd.read_file(shared_data / "boundaries" / "cnmaps_amap_410100_districts_gcj02.geojson")
    truth = gpd.read_file(shared_data / "boundaries" / "tianditu_410100_districts_wgs84.geojson").to_crs("EPSG:4547")
    moved = place(amap, _spec(datum="gcj02"), CONTEXT).frame
    unmoved = place(amap, _spec(datum="wgs84"), CONTEXT).frame

    def median_shift_m(frame: gpd.GeoDataFrame) -> float:
        # Single districts differ by more: the two providers do not draw every border alike.
        found = frame.assign(code=frame["adcode"].astype(str)).set_index("code").centroid
        expected = truth.assign(code=truth["district_adcode"].astype(str)).set_index("code").centroid[found.index]
        return float(np.hypot(np.median(found.x - expected.x), np.median(found.y - expected.y)))

    assert median_shift_m(moved) < 60
    assert median_shift_m(unmoved) > 400


def _points(at: list[tuple[float, float]], crs: str) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(geometry=[Point(x, y) for x, y in at], crs=crs)


SWAP = (("swap_axes", True),)


@pytest.mark.parametrize(("at", "crs", "datum"), [((113.6, 34.7), "EPSG:4326", "wgs84"),
                                                  ((463_300.0, 3_840_600.0), "EPSG:4547", None)])
def test_axes_are_swapped_on_request_alone(at: tuple[float, float], crs: str, datum: str | None) -> None:
    right, turned = _points([at], crs), _points([at[::-1]], crs)
    with pytest.raises(CrsError, match=r"swap_axes = true \} under \[layers.roads\]") as caught:
        place(turned, _spec(datum=datum), CONTEXT, area=AREA)
    assert "swap_axes = true" in caught.value.text.zh
    placed = place(turned, _spec(datum=datum, options=SWAP), CONTEXT, area=AREA)
    expected = place(right, _spec(datum=datum), CONTEXT, area=AREA)
    assert placed.frame.geometry.iloc[0].equals(expected.frame.geometry.iloc[0])
    assert placed.datum_note == expected.datum_note + "; axes swapped (declared)"
    with pytest.raises(CrsError, match="remove swap_axes"):
        place(right, _spec(datum=datum, options=SWAP), CONTEXT, area=AREA)


def test_swap_axes_is_true_or_false() -> None:
    with pytest.raises(UsageError, match=r"swap_axes is 'yes'.*\[layers.roads\]"):
        place(_point(113.6, 34.7, "EPSG:4326"), _spec(datum="wgs84", options=(("swap_axes", "yes"),)), CONTEXT)


def test_degrees_declared_as_metres_and_the_reverse() -> None:
    with pytest.raises(CrsError, match=r"'roads'.*are degrees.*crs = \.\.\. under \[layers.roads\]"):
        place(_point(113.6, 34.7, "EPSG:4547"), _spec(), CONTEXT, area=AREA)
    with pytest.raises(CrsError, match=r"'roads'.*are metres.*\[layers.roads\]"):
        place(_point(463_300, 3_840_600, "EPSG:4326"), _spec(datum="wgs84"), CONTEXT, area=AREA)


def test_a_stray_row_does_not_hide_that_all_others_are_swapped() -> None:
    turned = [(3_840_600.0 + i, 463_300.0) for i in range(8)]
    with pytest.raises(CrsError, match="northing comes before easting"):
        place(_points([*turned, (463_300, 3_840_600)], "EPSG:4547"), _spec(), CONTEXT, area=AREA)
    with pytest.raises(CrsError, match="northing comes before easting"):
        place(_points([*turned, (np.inf, 1)], "EPSG:4547"), _spec(), CONTEXT, area=AREA)


def test_a_stray_row_does_not_make_metres_of_a_table_in_degrees() -> None:
    rows = gpd.GeoDataFrame(geometry=[Point(113.6, 34.7), Point(113.6, 34.71), Point(463_300, 3_840_600)])
    placed = place(rows, _spec(datum="wgs84"), CONTEXT, area=AREA)
    assert placed.frame.geometry.isna().tolist() == [False, False, True]


def test_a_row_beyond_the_projection_does_not_cost_the_layer() -> None:
    far = [(24.0, 0.0), (-156.0, 0.0)]  # a quarter of the globe away, on the equator
    assert not any(np.isfinite(Transformer.from_crs(4326, 4547, always_xy=True).transform(*at)).all() for at in far)
    placed = place(_points([(113.6, 34.7), *far], "EPSG:4326"), _spec(datum="wgs84"), CONTEXT, area=AREA)
    assert placed.frame.geometry.isna().tolist() == [False, True, True]
    with pytest.raises(CrsError, match="'roads'"):
        place(_points(far[:1], "EPSG:4326"), _spec(datum="wgs84"), CONTEXT, area=AREA)


def test_only_a_layer_in_degrees_of_undeclared_datum_is_handed_to_a_finder() -> None:
    there = _point(113.6, 34.7, "EPSG:4326")
    for crs in ("EPSG:4326", "EPSG:3857"):
        found = undeclared_degrees(there.to_crs(crs), _spec())
        assert found is not None
        assert found.geometry.iloc[0].distance(Point(113.6, 34.7)) < 1e-9
        assert found.crs.to_epsg() == 4326
    assert undeclared_degrees(there, _spec(datum="gcj02")) is None
    assert undeclared_degrees(there, _spec(), datum="wgs84") is None
    assert undeclared_degrees(there.to_crs("EPSG:4547"), _spec()) is None
    assert undeclared_degrees(there.set_crs("EPSG:4610", allow_override=True), _spec()) is None
    turned = _point(34.7, 113.6, "EPSG:4326")
    found = undeclared_degrees(turned, _spec(options=SWAP))
    assert found is not None
    assert found.geometry.iloc[0].x == 113.6
