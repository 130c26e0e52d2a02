"""All candidates of a study, with everything that a click must explain, as one packed block.

Columns of the block, besides the shapes of ``maps.packed_geometry`` (n candidates; class k, criterion j):

======================  ====  ==========================================================================
``area_m2``             f4    n
``land_use`` ...        u1/2  n, index into ``meta["words"]`` (land_use, district, certainty, unit, zone)
``score_k``             f4    n
``rank_k``              u4    n, 0 for an excluded one
``coverage_k``          u2    n, share of weight measured, in 1/65535
``permission_k``        i2    n, index into the study's list of permissions, -1 for none
``main_reason_k``       i2    n, the excluding rule that is broken worst, -1 for an eligible one
``raw_c``               f4    n, raw value; ``meta["raw_columns"][k][j]`` tells which column holds a criterion
``share_j_k``           u2    n, contribution to the score, in 1/65535
``broken_count_k``      u2    n, how many entries of the next three belong to the candidate
``broken_rule_k``       u2    per entry, index of the rule
``broken_value_k``      f4    per entry, measured value, NaN where there is none
``broken_state_k``      u1    per entry, 1 broken, 0 not measured here (though measured elsewhere)
======================  ====  ==========================================================================
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gis.bilingual import Language
from maps.packed_geometry import pack_block, pack_geometry
from siting.scoring import contributions_at
from siting.types import ExclusionTable, SiteScores, StudyResult, ZonePermission
from siting.wording import CERTAINTY_WORDS, LAND_USE_WORDS, word

WGS84 = "EPSG:4326"
SHARE_STEPS = 65535
"""Steps of a packed share between 0 and 1."""

Columns = dict[str, NDArray[Any]]


def pack_parcels(result: StudyResult, language: Language) -> str:
    """Pack all candidates of ``result``, in their order, with the words in ``language``."""
    candidates = result.candidates
    arrays: Columns = dict(pack_geometry(candidates.geometry.to_crs(WGS84)))
    arrays["area_m2"] = candidates["area_m2"].to_numpy(dtype=np.float32)
    words, codes = _coded_columns(result, language)
    arrays |= codes
    raw_columns = _raw_columns(result.scores, arrays)
    permissions = permissions_of(result)
    for k, scores in enumerate(result.scores):
        arrays |= {f"{name}_{k}": values for name, values in _class_columns(scores, permissions).items()}
    meta = {"ids": [str(i) for i in candidates["parcel_id"]], "words": words, "raw_columns": raw_columns}
    return pack_block(meta, arrays)


def permissions_of(result: StudyResult) -> list[ZonePermission]:
    """List the permissions that occur among the candidates of any class, in the order of the pack."""
    used = {(p.zone_id, p.development_type) for s in result.scores for p in s.permissions if p is not None}
    return [p for p in result.pack.permissions if (p.zone_id, p.development_type) in used]


def unchecked_rules(table: ExclusionTable) -> list[int]:
    """Return the rules of which no candidate could be tested."""
    return [int(j) for j in np.flatnonzero(np.isnan(table.shortfall).all(axis=0))] if len(table.shortfall) else []


def main_reason(table: ExclusionTable) -> NDArray[np.int16]:
    """Return for each candidate the excluding rule that is broken worst (the first of equals); -1 for an eligible."""
    worst = np.where(table.excludes, np.nan_to_num(table.shortfall, nan=0.0), 0.0)
    if not worst.shape[1]:
        return np.full(len(worst), -1, dtype=np.int16)
    return np.where(worst.max(axis=1) > 0.0, worst.argmax(axis=1), -1).astype(np.int16)


def _coded_columns(result: StudyResult, language: Language) -> tuple[dict[str, list[str]], Columns]:
    """Replace repeated words by their index in a list of words."""
    candidates = result.candidates
    shown = {
        "land_use": [word(LAND_USE_WORDS, _text(code), language) for code in candidates["land_use"]],
        "district": [_text(name) for name in candidates["district"]],
        "certainty": [word(CERTAINTY_WORDS, _text(code), language) for code in candidates["certainty"]],
        "unit": _titles(candidates["unit_id"], {u.unit_id: u.title.to(language) for u in result.pack.units}),
        "zone": _titles(candidates["zone_id"], {z.zone_id: z.title.to(language) for z in result.pack.zones}),
    }
    words: dict[str, list[str]] = {}
    codes: Columns = {}
    for name, column in shown.items():
        code, values = pd.factorize(pd.Series(column, dtype=object), sort=True)
        words[name] = [str(v) for v in values]
        codes[name] = code.astype(np.uint8 if len(values) < 256 else np.uint16)
    return words, codes


def _titles(ids: pd.Series[Any], titles: dict[str, str]) -> list[str]:
    return [titles.get(_text(key), _text(key)) for key in ids]


def _text(value: object) -> str:
    return "" if value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NA else str(value)


def _raw_columns(all_scores: tuple[SiteScores, ...], arrays: Columns) -> list[list[int]]:
    """Put each distinct raw column into ``arrays`` once: classes share many of them."""
    held: list[NDArray[np.float32]] = []
    by_bytes: dict[bytes, int] = {}
    columns = []
    for scores in all_scores:
        row = []
        for j in range(len(scores.criteria)):
            values = scores.raw[:, j].astype(np.float32)
            key = values.tobytes()
            if key not in by_bytes:
                by_bytes[key] = len(held)
                held.append(values)
            row.append(by_bytes[key])
        columns.append(row)
    arrays |= {f"raw_{c}": values for c, values in enumerate(held)}
    return columns


def _class_columns(scores: SiteScores, permissions: list[ZonePermission]) -> Columns:
    """Return the columns of one class."""
    place = {(p.zone_id, p.development_type): i for i, p in enumerate(permissions)}
    columns: Columns = {
        "score": scores.score.astype(np.float32),
        "rank": scores.rank.astype(np.uint32),
        "coverage": _shares(scores.data_coverage),
        "permission": np.array([-1 if p is None else place[p.zone_id, p.development_type]
                                for p in scores.permissions], dtype=np.int16),
        "main_reason": main_reason(scores.exclusions),
        **_broken(scores.exclusions),
    }
    added = contributions_at(scores, slice(None))
    return columns | {f"share_{j}": _shares(added[:, j]) for j in range(len(scores.criteria))}


def _shares(values: NDArray[np.float64]) -> NDArray[np.uint16]:
    return np.rint(np.clip(np.nan_to_num(values), 0.0, 1.0) * SHARE_STEPS).astype(np.uint16)


def _broken(table: ExclusionTable) -> Columns:
    """List per candidate the rules that it breaks, and those that could be measured elsewhere but not there."""
    unknown = np.isnan(table.shortfall)
    unknown[:, unchecked_rules(table)] = False
    row, rule = np.nonzero(table.broken | unknown)
    return {
        "broken_count": np.bincount(row, minlength=len(table.shortfall)).astype(np.uint16),
        "broken_rule": rule.astype(np.uint16),
        "broken_value": table.measured[row, rule].astype(np.float32),
        "broken_state": table.broken[row, rule].astype(np.uint8),
    }
