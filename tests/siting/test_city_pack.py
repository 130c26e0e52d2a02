"""Every shipped pack: it loads whole, every name is known, and a broken one is refused in one sentence."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest

from gis.errors import PackError
from layers.schemas import LAYERS
from siting.city_pack import list_packs, load_pack
from siting.criteria import MEASURES
from siting.exclusions import TESTS

CITIES = Path(__file__).resolve().parents[2] / "siting/cities"


@pytest.mark.parametrize("city", list_packs())
def test_shipped_pack(city: str) -> None:
    pack = load_pack(city)
    assert pack.city == city
    hash(pack)
    assert pickle.loads(pickle.dumps(pack)) == pack
    for site_class in pack.site_classes:
        criteria = pack.criteria_for(site_class.class_id)
        assert sum(c.weight for c in criteria) == pytest.approx(1.0, abs=1e-9)
        # A screening of whole districts can measure less than a city's own layers.
        assert len(criteria) >= (4 if pack.candidates == "districts" else 14)
    assert {c.criterion_id for c in pack.criteria} <= set(MEASURES)
    assert {r.test for r in pack.rules} <= set(TESTS)
    assert {s.name for s in pack.layer_specs} <= set(LAYERS)
    given = {s.name for s in pack.layer_specs}
    assert ({"districts"} if pack.candidates == "districts" else {"districts", "parcels", "substations"}) <= given


@pytest.mark.parametrize("city", [city for city in list_packs() if load_pack(city).candidates != "districts"])
def test_standard_applies_by_grade(city: str) -> None:
    pack = load_pack(city)
    large = {r.rule_id for r in pack.rules_for("large") if r.citation.document == "GB50174-2017"}
    edge = {r.rule_id for r in pack.rules_for("edge") if r.citation.document == "GB50174-2017"}
    assert large
    assert edge
    assert large != edge


def test_both_first_cities_are_there() -> None:
    assert {"zhengzhou", "tianfu"} <= set(list_packs())


def test_unknown_city_names_the_known_ones() -> None:
    with pytest.raises(PackError, match="did you mean 'zhengzhou'"):
        load_pack("zhengzho")


def broken_pack(folder: Path, pattern: str, replacement: str) -> Path:
    text = (CITIES / "zhengzhou.toml").read_text(encoding="utf-8")
    changed, n = re.subn(pattern, replacement, text, count=1, flags=re.M)
    assert n == 1
    path = folder / "broken.toml"
    path.write_text(changed, encoding="utf-8")
    return path


@pytest.mark.parametrize(("pattern", "replacement", "sentence"), [
    (r"^metric_crs", "metric_crss", "metric_crs"),
    (r'^criterion_id = "power_distance_m"', 'criterion_id = "power_distance"', "unknown; known: power_distance_m"),
    (r'^test = "min_area"', 'test = "min_aera"', "unknown test 'min_aera'"),
    (r"^weight = 0\.\d+", "weight = 0.9", "sum to"),
    (r'^zone_id = "core"', 'zone_id = "kern"', "unknown zone"),
    (r'^strictness = "shall"', 'strictness = "must"', "strictness"),
    (r'document = "000"', 'document = "999"', "no document of the pack"),
    (r"^title = ", "titel = ", "titel"),
    (r"^city = ", "city ", "not valid TOML"),
])
def test_broken_pack_is_one_sentence(tmp_path: Path, pattern: str, replacement: str, sentence: str) -> None:
    with pytest.raises(PackError, match=sentence) as caught:
        load_pack(str(broken_pack(tmp_path, pattern, replacement)))
    assert "\n" not in str(caught.value)
