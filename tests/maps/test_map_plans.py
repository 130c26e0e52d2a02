"""The plans as layers of the map: what they hold, in both languages, and where there is nothing to show."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from maps._packing_block import unpack_block
from maps.folium_map import render_map
from maps.map_layers import map_layers, pack_layer
from maps.map_plans import campus_layer, capacity_layers, capacity_readings, estate_layer
from maps.report_layout import PART_WORDS
from siting.estate import DECISION_WORDS, DECISIONS


@pytest.fixture(scope="module")
def with_plans():
    path = Path(__file__).resolve().parents[1] / "browser" / "planned_study.py"
    spec = importlib.util.spec_from_file_location("planned_study_of_maps", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.with_plans


@pytest.fixture
def planned(small_result, with_plans):
    return with_plans(small_result)


def told(layer, language):
    meta, arrays = unpack_block(pack_layer(layer, language))
    return meta, {field["name"]: field["values"] for field in meta["fields"]}, arrays


def test_study_without_plans_has_none_of_their_layers(small_result):
    assert list(capacity_layers(small_result)) == []
    assert estate_layer(small_result) is None
    assert campus_layer(small_result) is None
    assert capacity_readings(small_result, "zh") == []


def test_layers_of_readings_share_a_switch(planned):
    layers = {layer.name: layer for layer in map_layers(planned) if layer.reading is not None}
    assert {name: (layer.switch, layer.reading) for name, layer in layers.items()} == {
        "capacity_feeds": ("capacity_feeds", 0), "capacity_sites": ("capacity_sites", 0),
        "capacity_feeds_1": ("capacity_feeds", 1), "capacity_sites_1": ("capacity_sites", 1)}
    assert [r["id"] for r in capacity_readings(planned, "en")] == ["available", "in_use"]
    first = capacity_readings(planned, "en")[0]
    assert first["shortfall_mw"] == pytest.approx(90.0 - 77.5)
    assert first["racks"] == planned.capacity_plans[0].sites["rack_count"].sum()


def test_campuses_are_points_inside_their_parcels_sized_by_load(planned):
    layer = next(layer for layer in capacity_layers(planned) if layer.name == "capacity_sites")
    sites = planned.capacity_plans[0].sites
    assert (layer.frame.geometry.geom_type == "Point").all()
    assert sites.geometry.contains(layer.frame.geometry).all()
    meta, values, arrays = told(layer, "en")
    radii = [meta["variants"][v]["radius_px"] for v in arrays["variant"]]
    assert list(np.argsort(radii)) == list(np.argsort(sites["it_load_mw"]))
    assert values["zone"] == ["Guarantee zone", "Core zone", "Guarantee zone"]
    assert values["policy"] == ["favoured"] * 3
    assert all("; " in cell and "；" not in cell for cell in values["stations"])
    assert values["year"] == ["", "", ""]


def test_every_decision_has_a_look_of_its_own(planned):
    layer = estate_layer(planned)
    looks = [(v.shape, v.fill) for v in layer.style.variants]
    assert len(set(looks)) == len(DECISIONS)
    assert {v.title for v in layer.style.variants} == set(DECISION_WORDS.values())
    assert len({v.shape for v in layer.style.variants if v.fill != "#ffffff"}) == len(DECISIONS) - 1


def test_decision_tells_clause_reasons_and_what_is_missing(planned):
    _, values, _ = told(estate_layer(planned), "en")
    assert values["decision_word"] == ["close", "cannot be decided"]
    assert values["clause_text"][0].startswith("close the wasteful - Zhengzhou plan, “老旧数据中心” 对小散老旧")
    assert values["clause_text"][1] is None
    assert values["missing_words"] == [None, "PUE"]
    assert values["overdue"] == ["yes", None]
    assert values["development_type"][0] == "large compute"


def test_decisions_stand_without_ids_to_join_by(planned):
    layers = planned.city_layers
    stock = layers.frame("data_centres").assign(data_centre_id="twice")
    frames = type(layers.frames)({**layers.frames, "data_centres": stock})
    result = dataclasses.replace(planned, city_layers=dataclasses.replace(layers, frames=frames))
    assert len(estate_layer(result).frame) == 2


def test_campus_parts_are_named_and_coloured_by_kind(planned):
    meta, values, arrays = told(campus_layer(planned), "zh")
    kinds = planned.site_layouts[0][1].parts["kind"].tolist()
    assert meta["names"] == [PART_WORDS[kind].zh for kind in kinds]
    assert [meta["variants"][v]["title"] for v in arrays["variant"]] == meta["names"]
    assert set(values["parcel_id"]) == {"P-0005"}
    assert [v for v, kind in zip(values["floors"], kinds, strict=True) if kind == "green"] == [None]
    assert meta["wins_over_parcels"] is True


def test_hostile_text_of_plans_never_stands_in_the_page_as_markup(planned):
    for language in ("zh", "en"):
        page = render_map(planned, language=language)
        for attack in ("alert(2)", "src=x", "<i>", "<b>"):
            assert attack not in page.split("</head>")[1]
    assert render_map(planned) == render_map(planned)
