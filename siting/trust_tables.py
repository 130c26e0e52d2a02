"""Trust as tables and as plain values, for files that machines read."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from siting.robustness import TOPS
from siting.trust import Trust
from siting.weighting import WeightChoice


def trust_table(trust: Trust) -> pd.DataFrame:
    """Return the listed sites of all classes, one row each.

    Returns
    -------
    class_id, parcel_id, rank, in_top_10, in_top_20, in_top_50 (shares of the draws), rank_low, rank_high, depends_on,
    dependence, n_rivals, rivals (joined by a space), firmness, text_zh, text_en.
    """
    rows = [{
        "class_id": own.class_id, "parcel_id": s.parcel_id, "rank": s.rank,
        **{f"in_top_{n}": round(p, 6) for n, p in zip(TOPS, s.in_top, strict=True)},
        "rank_low": s.rank_low, "rank_high": s.rank_high, "depends_on": s.depends_on,
        "dependence": round(s.dependence, 6), "n_rivals": s.n_rivals, "rivals": " ".join(s.rivals),
        "firmness": s.firmness, "text_zh": s.text.zh, "text_en": s.text.en,
    } for own in trust.classes for s in own.sites]
    columns = ["class_id", "parcel_id", "rank", *(f"in_top_{n}" for n in TOPS), "rank_low", "rank_high", "depends_on",
               "dependence", "n_rivals", "rivals", "firmness", "text_zh", "text_en"]
    return pd.DataFrame(rows, columns=columns)


def trust_document(trust: Trust) -> dict[str, Any]:
    """Return what the manifest says of trust: draws, verdicts, methods and recommendations; every value is JSON."""
    found = trust.validation
    return {
        "n_draws": trust.n_draws, "seed": trust.seed,
        "facts": [{"zh": f.zh, "en": f.en} for f in trust.facts],
        "verdicts": {
            "shares": found.shares.verdict if found.shares else "untested",
            "presence": found.presence.verdict if found.presence else "untested",
            "policy": found.policy.verdict,
        },
        "classes": [{
            "class_id": own.class_id, "n_candidates": own.n_candidates, "n_varied_rules": own.n_varied_rules,
            "firm": sum(s.firmness == "robust" for s in own.sites), "listed": len(own.sites),
            "recommendation": {"zh": own.recommendation.zh, "en": own.recommendation.en},
            "methods": [{"method": m.method, "tau": _number(m.tau), "overlap": _number(m.overlap),
                         "moved": _number(m.moved)} for m in own.agreement],
        } for own in trust.classes],
        "edge_regret": None if trust.edge is None else {
            "as_planned": _number(trust.edge.as_planned), "mean": _number(trust.edge.mean),
            "worst_tenth": _number(trust.edge.worst_tenth), "n_draws": trust.edge.n_draws},
        "empty_criteria": [{"class_id": e.class_id, "constant": [k for k, _ in e.constant],
                            "nearly_constant": [k for k, _ in e.nearly], "unmeasured": [k for k, _ in e.unmeasured]}
                           for e in found.empty],
    }


def weights_document(choices: tuple[WeightChoice, ...]) -> list[dict[str, Any]]:
    """Return what the manifest says of the weights: as used, the pack's beside them, and how they were found."""
    return [{
        "class_id": c.class_id, "method": c.method, "reason": c.reason, "n_experts": c.n_experts,
        "consistency_ratio": _number(c.consistency_ratio),
        "weights": {k: _number(w) for k, w in zip(c.criteria, c.weights, strict=True)},
        "pack_weights": {k: _number(w) for k, w in zip(c.criteria, c.pack_weights, strict=True)},
        "text": {"zh": c.text.zh, "en": c.text.en},
    } for c in choices]


def _number(value: float | None) -> float | None:
    """Round for a file; None where there is no number."""
    return None if value is None or math.isnan(value) else round(value, 9)
