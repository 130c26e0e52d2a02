from __future__ import annotations

import pytest

from gis.errors import LayerNotFoundError, UsageError
from layers.sources.boundaries import read
from layers.sources.types import LoadContext, RawVector
from layers.types import LayerSpec

CONTEXT = LoadContext(metric_crs="EPSG:4547", frames={})


def _read(**options: str) -> RawVector:
    return read(LayerSpec(name="districts", source="boundaries", options=tuple(options.items())), CONTEXT)


@pytest.mark.parametrize(("adcode", "n", "name"), [("410100", 12, "中原区"), ("510100", 20, "新津区")])
@pytest.mark.parametrize(("provider", "datum"), [("tianditu", "cgcs2000"), ("amap", "gcj02")])
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


@pytest.mark.parametrize("adcode", ["", "4101", "zhengz", "41010０1"])
def test_code_must_be_six_digits(adcode: str) -> None:
    with pytest.raises(UsageError, match="six digits"):
        _read(adcode=adcode)


def test_unknown_code_and_provider() -> None:
    with pytest.raises(LayerNotFoundError, match="419900"):
        _read(adcode="419900")
    with pytest.raises(UsageError, match="tianditu, amap"):
        _read(adcode="410100", provider="google")
