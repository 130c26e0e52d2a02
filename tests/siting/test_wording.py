"""Words of a reader's language for what the layers tell in English."""

from __future__ import annotations

import pytest

from layers.types import LayerSpec
from siting.wording import CANDIDATE_NOUNS, candidate_noun, crs_label, datum_word, quantity


@pytest.mark.parametrize(("note", "chinese"), [
    ("gcj02 (declared)", "gcj02（方案声明）"),
    ("cgcs2000 (known from tianditu)", "cgcs2000（来源已知：tianditu）"),
    ("cgcs2000 (from EPSG:4547)", "cgcs2000（由坐标系得知：EPSG:4547）"),
    ("wgs84 (declared); axes swapped (declared)", "wgs84（方案声明）；已按声明交换坐标轴"),
    ("", ""),
])
def test_datum_of_a_layer(note: str, chinese: str) -> None:
    assert datum_word(note, "zh") == chinese
    assert datum_word(note, "en") == note


@pytest.mark.parametrize(("kind", "level", "zh", "en"), [
    ("parcels", "district", "候选地块", "Parcel and parcels"), ("grid", "", "候选网格", "Cell and cells"),
    ("blocks", "", "候选街块", "Block and blocks"), ("districts", "district", "候选区县", "County and counties"),
    ("districts", "city", "候选市州", "Prefecture and prefectures"),
])
def test_candidates_are_called_by_their_kind_and_level(kind: str, level: str, zh: str, en: str) -> None:
    noun = candidate_noun(kind, [LayerSpec(name="districts", source="boundaries", options=(("level", level),))])
    assert noun.fill("候选{one}", "zh") == zh
    assert noun.fill("{One} and {many}", "en") == en
    assert noun.fill("{n} of {all}", "en") == "{n} of {all}"


def test_areas_are_told_in_the_unit_of_the_candidates() -> None:
    assert CANDIDATE_NOUNS["parcels"].fill("面积（{area_unit}）", "zh") == "面积（公顷）"
    assert CANDIDATE_NOUNS["prefectures"].fill("({area_unit})", "en") == "(km²)"
    assert CANDIDATE_NOUNS["districts"].area_unit_m2 == 1e6
    assert quantity(243_900_000.0, "m2", "zh") == "243.9 km²"
    assert quantity(243_900.0, "m2", "zh") == "243,900 m²"


@pytest.mark.parametrize(("crs", "zh"), [
    ("EPSG:4546", "EPSG:4546（CGCS2000 高斯—克吕格三度带）"),
    ("EPSG:3067", "EPSG:3067（ETRS89 / TM35FIN(E,N)）"),
    ("+proj=aea +lat_0=0 +lon_0=105 +lat_1=25 +lat_2=47 +datum=WGS84 +units=m +no_defs",
     "等积圆锥投影，中央经线 105°，标准纬线 25°、47°"),
    ("", ""), ("no such CRS", "no such CRS"),
])
def test_a_reader_learns_what_plane_the_run_is_in(crs: str, zh: str) -> None:
    assert crs_label(crs).zh == zh
