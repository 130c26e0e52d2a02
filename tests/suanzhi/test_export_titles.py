"""What exported layers and tables are called: as on the map and in the registry, whatever is scored."""

from __future__ import annotations

import pytest

from layers.schemas import LAYERS
from maps.map_phrases import PHRASES
from siting.wording import CANDIDATE_NOUNS
from suanzhi.export_titles import rank_of, title_of


@pytest.mark.parametrize(("name", "phrase"), [
    ("zones", "policy_zones"), ("coverage", "coverage"), ("edge_centres", "edge_centres"), ("clusters", "clusters"),
    ("capacity_sites", "capacity_sites"), ("feed_lines", "feed_lines"), ("network_links", "network_links"),
])
def test_one_name_for_one_thing(name: str, phrase: str) -> None:
    assert title_of(name) == PHRASES[phrase]


@pytest.mark.parametrize("kind", CANDIDATE_NOUNS)
def test_candidates_are_called_what_they_are(kind: str) -> None:
    noun = CANDIDATE_NOUNS[kind].one.zh
    assert title_of("parcels", kind).zh == f"候选{noun}"
    assert title_of("top_candidates", kind).zh == f"推荐{noun}"


def test_another_reading_and_a_layer_of_the_registry() -> None:
    assert title_of("capacity_sites_in_use").zh == f"{PHRASES['capacity_sites'].zh}（在用口径）"
    assert title_of("substations") == LAYERS["substations"].title
    assert title_of("own_table").en == "own table"
    said = [title_of(name, kind) for name in ("parcels", "units", "top_candidates") for kind in CANDIDATE_NOUNS]
    assert not any("{" in title.zh + title.en for title in said)


def test_order_from_below_to_above() -> None:
    names = ["edge_centres", "capacity_sites_in_use", "roads", "parcels", "units", "capacity_sites"]
    assert sorted(names, key=rank_of) == ["units", "parcels", "roads", "capacity_sites", "capacity_sites_in_use",
                                          "edge_centres"]
