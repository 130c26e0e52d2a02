"""The first study file: it loads, explains every layer, overwrites nothing, and survives hostile names."""

from __future__ import annotations

import tomllib
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gis.bilingual import Language, Text
from gis.errors import ExportError, PackError, UsageError
from layers.scanning_types import Leftover, Place, Proposal, ScanReport
from layers.schemas import LAYERS
from layers.types import LayerSpec
from siting.city_pack import list_packs, load_pack
from siting.study_file import read_study
from suanzhi.console import Console
from suanzhi.initialising import study_text, toml, write_study

PLACES = np.random.default_rng(1).uniform([113.55, 34.65], [113.75, 34.85], (40, 2))
WORDS = st.text(st.characters(exclude_categories=["Cs"]))
HOSTILE = 'a"]\nb = 1\n[layers.evil]\\u0022\x00\x7f\t#{}' + "\u2028\u202e'\x1b[31m"


def console(language: Language = "zh") -> Console:
    return Console(language=language, is_quiet=True, shows_traceback=False)


def write_stations(path: Path) -> None:
    frame = gpd.GeoDataFrame({"基站名称": [f"基站{k}" for k in range(40)]}, crs=4490,
                             geometry=gpd.points_from_xy(*PLACES.T))
    frame.to_file(path, driver="GPKG")


@pytest.mark.parametrize("city", list_packs())
@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_study_of_every_city_loads_and_explains_every_layer(tmp_path: Path, city: str, language: Language) -> None:
    path = write_study(tmp_path / "new" / "folder", city, None, console(language))
    assert path == tmp_path / "new" / "folder" / "study.toml"
    study = read_study(path)
    assert (study.city, study.layer_specs) == (city, ())
    text = path.read_text(encoding="utf-8")
    for name, schema in LAYERS.items():
        assert f"# ---- {name} · {schema.title.to(language)}" in text
        for field in schema.frame.fields if schema.frame else ():
            assert f"#   {field.name}" in text
    assert ("坐标基准" in text) == (language == "zh")
    if language == "en":
        assert "evidence" in text


def test_an_existing_study_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="not overwritten"):
        write_study(tmp_path, "zhengzhou", None, console())
    assert (tmp_path / "study.toml").read_text(encoding="utf-8") == "mine"


def test_a_dangling_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "study.toml").symlink_to(tmp_path / "elsewhere.toml")
    with pytest.raises(UsageError):
        write_study(tmp_path, "zhengzhou", None, console())
    assert not (tmp_path / "elsewhere.toml").exists()


def test_wrong_arguments_leave_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(PackError):
        write_study(tmp_path / "x", "atlantis", None, console())
    with pytest.raises(UsageError, match="no folder"):
        write_study(tmp_path / "x", "zhengzhou", tmp_path / "nowhere", console())
    assert not (tmp_path / "x").exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(ExportError):
        write_study(tmp_path / "file" / "below", "zhengzhou", None, console())


def test_proposals_are_written_with_paths_from_the_study(tmp_path: Path) -> None:
    pytest.importorskip("frykit")
    data = tmp_path / "study" / "资料"
    data.mkdir(parents=True)
    write_stations(data / "基站.gpkg")
    (data / "说明.docx").write_bytes(b"PK")
    path = write_study(tmp_path / "study", "zhengzhou", data, console())
    text = path.read_text(encoding="utf-8")
    (spec,) = read_study(path).layer_specs
    assert (spec.name, Path(spec.path).resolve()) == ("base_stations", (data / "基站.gpkg").resolve())
    assert dict(spec.columns) == {"name": "基站名称"}
    assert 'path = "资料/基站.gpkg"' in text
    assert "# 依据：" in text
    assert "资料/说明.docx：不是可读取的数据格式" in text
    assert "allow_outside" not in text
    other = write_study(tmp_path / "second", "zhengzhou", data, console("en"))
    assert "allow_outside = true" in other.read_text(encoding="utf-8")
    assert 'path = "../study/资料/基站.gpkg"' in other.read_text(encoding="utf-8")
    assert len(read_study(other).layer_specs) == 1


def report_of(*specs: LayerSpec, score: float = 0.9, word: str = "x") -> ScanReport:
    said = (Text(zh=word, en=word),)
    return ScanReport(
        proposals=tuple(Proposal(spec=spec, score=score, evidence=said, hints=said) for spec in specs),
        leftovers=(Leftover(Place(Path("/data") / word.replace("/", "").replace("\x00", ""), word), said[0]),))


def test_hostile_names_stay_data(tmp_path: Path) -> None:
    spec = LayerSpec(
        name="substations", source="vector_file", path=str(tmp_path / 'a"]\nb=1\\.gpkg'), table=HOSTILE, datum="gcj02",
        encoding="GBK", columns=(("name", HOSTILE), ("voltage_kv", "电压")), constants=(("owner's", HOSTILE),))
    text = study_text(load_pack("zhengzhou"), "zhengzhou", tmp_path, report_of(spec, word=HOSTILE), "zh")
    table = tomllib.loads(text)
    assert set(table) == {"city", "layers"}
    assert set(table["layers"]) == {"substations"}
    (found,) = table["layers"]["substations"]
    assert found == {"path": 'a"]\nb=1\\.gpkg', "table": HOSTILE, "datum": "gcj02", "encoding": "GBK",
                     "columns": {"name": HOSTILE, "voltage_kv": "电压"}, "constants": {"owner's": HOSTILE}}
    assert all(letter.isprintable() or letter == "\n" for letter in text)


def test_a_weak_proposal_is_a_comment_as_a_whole(tmp_path: Path) -> None:
    spec = LayerSpec(name="roads", source="vector_file", path=str(tmp_path / "a.shp"), columns=(("name", "路名"),))
    text = study_text(load_pack("zhengzhou"), "zhengzhou", tmp_path, report_of(spec, score=0.3), "zh")
    assert set(tomllib.loads(text)) == {"city"}
    shown = [line.removeprefix("# ") for line in text.splitlines()
             if line.startswith(("# [[", "# path", "# columns ="))]
    (found,) = tomllib.loads("\n".join(shown))["layers"]["roads"]
    assert found == {"path": "a.shp", "columns": {"name": "路名"}}


def test_an_undeclared_datum_is_left_open(tmp_path: Path) -> None:
    hint = Text(zh="请写明 datum", en="write datum")
    spec = LayerSpec(name="roads", source="vector_file", path=str(tmp_path / "a.shp"))
    report = ScanReport(proposals=(Proposal(spec=spec, score=0.9, evidence=(), hints=(hint,)),), leftovers=())
    text = study_text(load_pack("zhengzhou"), "zhengzhou", tmp_path, report, "en")
    assert "datum" not in tomllib.loads(text)["layers"]["roads"][0]
    assert '# datum = "..."' in text


def test_two_sources_of_one_layer_load(tmp_path: Path) -> None:
    specs = [LayerSpec(name="metro", source="vector_file", path=str(tmp_path / f"{k}.shp"), certainty="approximate",
                       constants=(("name", f"{k}号线"),)) for k in (1, 2)]
    path = tmp_path / "study.toml"
    text = study_text(load_pack("zhengzhou"), "zhengzhou", tmp_path, report_of(*specs), "zh")
    path.write_text(text, encoding="utf-8")
    found = read_study(path).layer_specs
    assert [(dict(one.constants), one.certainty) for one in found] == [
        ({"name": "1号线"}, "approximate"), ({"name": "2号线"}, "approximate")]


def test_units_load(tmp_path: Path) -> None:
    spec = LayerSpec(name="substations", source="vector_file", path=str(tmp_path / "a.shp"),
                     units=(("transformer_capacity_mva", "kVA"),), constants=(("voltage_kv", 110),))
    path = tmp_path / "study.toml"
    path.write_text(study_text(load_pack("zhengzhou"), "zhengzhou", tmp_path, report_of(spec), "zh"), encoding="utf-8")
    (found,) = read_study(path).layer_specs
    assert dict(found.units) == {"transformer_capacity_mva": "kVA"}
    assert dict(found.constants) == {"voltage_kv": 110}


@settings(max_examples=200, deadline=None)
@given(WORDS, st.dictionaries(WORDS, st.one_of(
    st.booleans(), st.integers(-2**60, 2**60), WORDS, st.floats(allow_nan=False, allow_infinity=False))))
def test_whatever_is_written_reads_back(word: str, table: dict[str, bool | int | float | str]) -> None:
    assert tomllib.loads(f"a = {toml(word)}\nb = {toml(table)}\n") == {"a": word, "b": table}
    assert "\n" not in toml(word)


def test_a_file_name_in_no_encoding_is_written_all_the_same() -> None:
    assert tomllib.loads(f"a = {toml(chr(0xDC80))}")["a"] == "\N{REPLACEMENT CHARACTER}"
