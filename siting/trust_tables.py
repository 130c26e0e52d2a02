"""Trust as tables and as plain values, for files that machines read."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from siting.capacity_stability import CapacityStability
from siting.edge_regret import WORST_SHARE
from siting.edge_stability import JITTER
from siting.known_errors import ASSUMED_RADIUS_M
from siting.outline_errors import AREA_ERROR, RADIUS_SPREADS
from siting.robustness import TOPS
from siting.trust import FIRM_CHANCE, STRONG, ZONE_DOUBT, Trust
from siting.trust_draws import STRICT_CHANCE, WEIGHT_SHARE
from siting.validation import CLOSE, FAR, NEARLY, SIGNIFICANT
from siting.weighting import WeightChoice


def trust_table(trust: Trust) -> pd.DataFrame:
    """Return the listed sites of all classes, one row each.

    Returns
    -------
    site_class, parcel_id, rank, in_top_10, in_top_20, in_top_50 (shares of the draws), rank_low, rank_high,
    depends_on, dependence, other_zone, in_other_zone (share of the draws beyond an approximate outline), n_rivals,
    rivals (joined by a space), firmness, text_zh, text_en.
    """
    rows = [{
        "site_class": own.class_id, "parcel_id": s.parcel_id, "rank": s.rank,
        **{f"in_top_{n}": round(p, 6) for n, p in zip(TOPS, s.in_top, strict=True)},
        "rank_low": s.rank_low, "rank_high": s.rank_high, "depends_on": s.depends_on,
        "dependence": round(s.dependence, 6), "other_zone": s.other_zone, "in_other_zone": round(s.in_other_zone, 6),
        "n_rivals": s.n_rivals, "rivals": " ".join(s.rivals),
        "firmness": s.firmness, "text_zh": s.text.zh, "text_en": s.text.en,
    } for own in trust.classes for s in own.sites]
    columns = ["site_class", "parcel_id", "rank", *(f"in_top_{n}" for n in TOPS), "rank_low", "rank_high", "depends_on",
               "dependence", "other_zone", "in_other_zone", "n_rivals", "rivals", "firmness", "text_zh", "text_en"]
    return pd.DataFrame(rows, columns=columns)


def campus_table(found: CapacityStability) -> pd.DataFrame:
    """Return the campuses of the first capacity layout under the draws, one row each.

    Returns
    -------
    capacity_site_id, parcel_id, unit_id, it_load_mw, chosen (share of the draws whose layout opens it too), standing
    (mean share of its load that the draws leave).
    """
    rows = [{"capacity_site_id": c.capacity_site_id, "parcel_id": c.parcel_id, "unit_id": c.unit_id,
             "it_load_mw": c.it_load_mw, "chosen": round(c.chosen, 6), "standing": round(c.standing, 6)}
            for c in found.campuses]
    return pd.DataFrame(rows, columns=["capacity_site_id", "parcel_id", "unit_id", "it_load_mw", "chosen", "standing"])


def trust_tables(trust: Trust) -> dict[str, pd.DataFrame]:
    """Return what is written beside the other tables, by file name."""
    tables = {"trust.csv": trust_table(trust)}
    if trust.capacity is not None:
        tables["capacity_stability.csv"] = campus_table(trust.capacity)
    return tables


def assumptions() -> dict[str, float]:
    """Return the judgements that the verdicts rest on, by name: none of them is published."""
    return {
        "weight_share": WEIGHT_SHARE, "strict_chance": STRICT_CHANCE, "assumed_radius_m": ASSUMED_RADIUS_M,
        "radius_standard_errors": RADIUS_SPREADS, "outline_area_error": AREA_ERROR, "firm_chance": FIRM_CHANCE,
        "strong_correlation": STRONG, "zone_doubt": ZONE_DOUBT, "shares_agree_to": CLOSE, "shares_in_part_to": FAR,
        "significant_chance": SIGNIFICANT, "nearly_constant_spread": NEARLY, "demand_jitter": JITTER,
        "worst_share": WORST_SHARE,
    }


def trust_document(trust: Trust) -> dict[str, Any]:
    """Return what the manifest says of trust: draws, verdicts, methods and recommendations; every value is JSON."""
    found = trust.validation
    return {
        "n_draws": trust.n_draws, "seed": trust.seed, "assumptions": assumptions(),
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
            "first_order": {k: _number(v) for k, v in zip(own.criteria, own.first_order.tolist(), strict=True)},
            "varied": [{"zh": f.zh, "en": f.en} for f in own.facts],
            "methods": [{"method": m.method, "tau": _number(m.tau), "overlap": _number(m.overlap),
                         "moved": _number(m.moved)} for m in own.agreement],
        } for own in trust.classes],
        "edge_regret": None if trust.edge is None else {
            "as_planned": _number(trust.edge.as_planned), "mean": _number(trust.edge.mean),
            "worst_tenth": _number(trust.edge.worst_tenth), "n_draws": trust.edge.n_draws},
        "capacity": None if trust.capacity is None else _capacity(trust.capacity),
        "empty_criteria": [{"class_id": e.class_id, "constant": [k for k, _ in e.constant],
                            "nearly_constant": [k for k, _ in e.nearly], "unmeasured": [k for k, _ in e.unmeasured]}
                           for e in found.empty],
    }


def _capacity(found: CapacityStability) -> dict[str, Any]:
    return {
        "n_draws": found.n_draws, "planned_mw": _number(found.planned_mw), "standing_mw": _number(found.standing_mw),
        "worst_standing_mw": _number(found.worst_standing_mw), "at_risk_mw": _number(found.at_risk_mw),
        "regret": _number(found.regret), "worst_regret": _number(found.worst_regret), "gap": _number(found.gap),
        "units": [{"unit_id": u.unit_id, "planned_mw": _number(u.planned_mw), "low_mw": _number(u.low_mw),
                   "high_mw": _number(u.high_mw)} for u in found.units],
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
