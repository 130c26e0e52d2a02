"""Trust for machines: every listed site in a row, and a document that JSON can hold."""

from __future__ import annotations

import json

from siting.city_pack import load_pack
from siting.trust import assess_trust
from siting.trust_tables import trust_document, trust_table, weights_document
from siting.types import StudyResult
from siting.weighting import weight_choices


def test_tables_and_documents_say_what_was_found(zhengzhou_result: StudyResult) -> None:
    trust = assess_trust(zhengzhou_result, n_draws=20)
    table = trust_table(trust)
    assert len(table) == sum(len(c.sites) for c in trust.classes)
    first = trust.classes[0].sites[0]
    row = table.iloc[0]
    assert (row["parcel_id"], row["rank_low"], row["rank_high"]) == (first.parcel_id, first.rank_low, first.rank_high)
    assert row["in_top_10"] == round(first.in_top[0], 6) and row["text_zh"] == first.text.zh
    document = json.loads(json.dumps(trust_document(trust), allow_nan=False))
    assert document["verdicts"]["policy"] == "agrees" and document["n_draws"] == 20
    assert document["classes"][0]["methods"][0]["tau"] == 1.0
    choices = weight_choices(load_pack("zhengzhou"), zhengzhou_result.study, zhengzhou_result.scores)
    weights = json.loads(json.dumps(weights_document(choices), allow_nan=False))
    assert weights[0]["method"] == "pack" and weights[0]["weights"] == weights[0]["pack_weights"]
    assert abs(sum(weights[0]["weights"].values()) - 1.0) < 1e-6
