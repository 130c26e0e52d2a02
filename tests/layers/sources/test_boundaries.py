from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely

from gis.datum import Datum, to_wgs84
from gis.errors import LayerNotFoundError, UsageError
from layers.sources.boundaries import read
from layers.sources.types import LoadContext, RawVector
from layers.types import LayerSpec

CONTEXT = LoadContext(metric_crs="EPSG:4547", frames={})


def _read(**options: str) -> RawVector:
    return read(LayerSpec(name="districts", source="boundaries", options=tuple(options.items())), CONTEXT)


@pytest.mark.parametrize(("adcode", "n", "name"), [("410100", 12, "中原区"), ("510100", 20, "新津区")])
@pytest.mark.parametrize(("provider", "datum"), [("tianditu", "cgcs2000"), ("amap", "wgs84")])
def test_districts_of_a_city(adcode: str, n: int, name: str, provider: str, datum: str) -> None:
    raw = _read(adcode=adcode, provider=provider)
    assert raw.n_read == len(raw.frame) == n
    assert raw.datum == datum
    assert name in raw.frame["name"].tolist()
    assert raw.frame["district_id"].is_monotonic_increasing
    assert raw.frame["district_id"].str.startswith(adcode[:4]).all()
    assert raw.approval_number == ("GS(2024)0650" if provider == "tianditu" else "")
    assert raw.note is not None
    assert raw.attribution
    assert raw.licence
    assert raw.vintage


def test_one_district_and_a_province() -> None:
    assert _read(adcode="410105").frame["name"].tolist() == ["金水区"]
    assert _read(adcode="410000").frame["city_name"].nunique() > 15


def test_prefectures_of_a_province_and_of_the_whole_country() -> None:
    province = _read(adcode="140000", level="city").frame
    assert len(province) == 11
    assert province["district_id"].tolist() == [f"14{n:02d}00" for n in range(1, 12)]
    assert (province["name"] == province["city_name"]).all()
    assert set(province["province_name"]) == {"山西省"}
    country = _read(adcode="100000", level="city").frame
    assert len(country) == 375
    assert country["province_name"].nunique() == 34
    # A municipality is a prefecture of its own, a county that its province runs itself is one too.
    assert {"北京市", "济源市", "三沙市"} <= set(country["name"])
    assert _read(adcode="110000", level="city").frame["name"].tolist() == ["北京市"]
    assert _read(adcode="419001", level="city").frame["name"].tolist() == ["济源市"]
    assert len(_read(adcode="100000").frame) == 2891


def test_districts_say_their_city_and_province() -> None:
    frame = _read(adcode="410105").frame
    assert frame[["city_name", "province_name"]].iloc[0].tolist() == ["郑州市", "河南省"]


def test_a_level_that_is_none_and_a_code_of_another_level() -> None:
    with pytest.raises(UsageError, match="district, city"):
        _read(adcode="410100", level="town")
    with pytest.raises(LayerNotFoundError, match='level = "district"'):
        _read(adcode="410105", level="city")


def test_the_dashed_line_comes_dash_by_dash() -> None:
    raw = _read(level="line")
    assert raw.n_read == len(raw.frame) == 9
    assert raw.frame["line_id"].is_unique
    assert raw.frame.geom_type.tolist() == ["LineString"] * 9
    assert raw.frame.total_bounds[1] < 4.0
    assert raw.approval_number == "GS(2024)0650"


@pytest.mark.parametrize("adcode", ["", "4101", "zhengz", "41010０1"])
def test_code_must_be_six_digits(adcode: str) -> None:
    with pytest.raises(UsageError, match="six digits"):
        _read(adcode=adcode)


def test_unknown_code_and_provider() -> None:
    with pytest.raises(LayerNotFoundError, match="419900"):
        _read(adcode="419900")
    with pytest.raises(UsageError, match="tianditu, amap"):
        _read(adcode="410100", provider="google")


@pytest.mark.parametrize("adcode", ["410100", "510100"])
def test_providers_lie_on_the_same_ground(adcode: str) -> None:
    """A package that changed the datum of one provider would move it by 300 to 600 m."""
    outline, as_it_is = (_outline(_read(adcode=adcode, provider=p).frame, "wgs84") for p in ("tianditu", "amap"))
    as_if_moved = _outline(_read(adcode=adcode, provider="amap").frame, "gcj02")
    points = [outline.interpolate(share, normalized=True) for share in np.linspace(0, 1, 400)]
    right, wrong = (np.median([point.distance(other) for point in points]) for other in (as_it_is, as_if_moved))
    assert right < 200
    assert wrong > 1.4 * right


def _outline(frame: gpd.GeoDataFrame, datum: Datum) -> shapely.Geometry:
    degrees = to_wgs84(frame.set_crs("EPSG:4326", allow_override=True), datum)
    return degrees.to_crs("EPSG:4547").union_all().boundary
