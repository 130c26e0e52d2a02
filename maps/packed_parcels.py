"""All candidates of a study, with everything that a click must explain and any weights need, as one packed block.

Rows stand in the order of a Hilbert curve (``maps._packing_shapes``), not in that of the study. Columns of the block,
besides the outlines, the ids (``maps._packing_ids``), raw values (``maps._packing_values``) and rules
(``maps._packing_rules``); n candidates, class k:

======================  ====  ==========================================================================
``area``                u4    n, steps of ``meta["area_step_m2"]``
``land_use`` ...        u1/2  n, index into ``meta["words"]`` (land_use, district, certainty, unit, zone)
``permission_k``        u1/2  n, one more than the index into the study's list of permissions, 0 for none
``main_reason_k``       u1    n, one more than the excluding rule that is broken worst, 0 for an eligible one
``best_k``              u4    rows of the best ``RANKS_KEPT`` eligible candidates, best first
======================  ====  ==========================================================================

Equal columns of two classes are packed once; ``meta["same"]`` tells under which name. Scores, contributions, data
coverage and ranks below the best are made in the browser, from the raw values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gis.bilingual import Language
from maps._packing_block import pack_block
from maps._packing_ids import pack_ids
from maps._packing_rules import main_reason, pack_rules
from maps._packing_shapes import curve_order, pack_outlines
from maps._packing_values import pack_values, score_error
from siting.pack import ZonePermission
from siting.permissions import Permissions
from siting.types import SiteScores, StudyResult
from siting.wording import CERTAINTY_WORDS, LAND_USE_WORDS, word

RANKS_KEPT = 100_000
"""So many ranks under the study's own weights are those of the study; further ones are counted from packed values."""

_AREA_STEP_M2 = 0.01
_COARSE_AREA_STEP_M2 = 0.1
_COARSE_FROM = 200_000
_MOST_STEPS = 4e9

Columns = dict[str, NDArray[Any]]


def pack_parcels(result: StudyResult, language: Language) -> str:
    """Pack all candidates of ``result``, with the words in ``language``."""
    candidates, scores = result.candidates, result.scores
    order = curve_order(candidates.geometry)
    bits, arrays = pack_outlines(candidates.geometry, order)
    beginnings, ids = pack_ids(candidates["parcel_id"].to_numpy(dtype=object)[order])
    area_m2 = candidates["area_m2"].to_numpy(dtype=np.float64)
    area_step, area = _areas(area_m2[order])
    words, codes = _coded_columns(result, language, order)
    column_of, scales, values = pack_values(scores, order)
    rule_column_of, rule_columns, rules = pack_rules([s.exclusions for s in scores], area_m2, order)
    arrays |= {**ids, "area": area, **codes, **values, **rules}
    own = _class_columns(result, order)
    same = _equal_columns(own)
    arrays |= {name: column for name, column in own.items() if name not in same}
    meta = {
        "n": len(order), "bits": bits, "beginnings": beginnings, "area_step_m2": area_step, "words": words,
        "value_column": column_of, "scales": [scale and asdict(scale) for scale in scales],
        "score_error": score_error(len(order)), "rule_column": rule_column_of, "rule_columns": rule_columns,
        "same": same,
    }
    return pack_block(meta, arrays)


def permissions_of(result: StudyResult) -> list[ZonePermission]:
    """List the permissions that occur among the candidates of any class, in the order of the pack."""
    used = set()
    for scores in result.scores:
        given = Permissions.of(scores.permissions)
        used |= {(given.table[code].zone_id, given.table[code].development_type)
                 for code in np.unique(given.codes) if code >= 0}
    return [p for p in result.pack.permissions if (p.zone_id, p.development_type) in used]


def best_rows(scores: SiteScores) -> NDArray[np.int64]:
    """Return the rows of the best candidates of a class: those ranked 1, 2, 3 ..., at most ``RANKS_KEPT``.

    Of a study that holds only some of its candidates, the ranks end where one is not there.
    """
    ranked = np.flatnonzero((scores.rank > 0) & (scores.rank <= RANKS_KEPT))
    ranked = ranked[np.argsort(scores.rank[ranked])]
    return np.asarray(ranked[scores.rank[ranked] == np.arange(1, len(ranked) + 1)], dtype=np.int64)


def _areas(area_m2: NDArray[np.float64]) -> tuple[float, NDArray[np.uint32]]:
    """Hold areas in whole steps."""
    finest = _AREA_STEP_M2 if len(area_m2) <= _COARSE_FROM else _COARSE_AREA_STEP_M2
    step = max(finest, float(np.nanmax(area_m2, initial=0.0)) / _MOST_STEPS)
    return step, np.rint(np.nan_to_num(area_m2) / step).astype(np.uint32)


def _coded_columns(result: StudyResult, language: Language, order: NDArray[np.int64]
                   ) -> tuple[dict[str, list[str]], Columns]:
    """Replace repeated words by their index in a list of words."""
    titles = {"land_use": {key: text.to(language) for key, text in LAND_USE_WORDS.items()},
              "certainty": {key: word(CERTAINTY_WORDS, key, language) for key in CERTAINTY_WORDS},
              "unit": {u.unit_id: u.title.to(language) for u in result.pack.units},
              "zone": {z.zone_id: z.title.to(language) for z in result.pack.zones}, "district": {}}
    sources = {"land_use": "land_use", "district": "district", "certainty": "certainty", "unit": "unit_id",
               "zone": "zone_id"}
    words: dict[str, list[str]] = {}
    codes: Columns = {}
    for name, column in sources.items():
        given, keys = pd.factorize(result.candidates[column].to_numpy(dtype=object), sort=False)
        words[name], codes[name] = _worded(given[order], [str(key) for key in keys], titles[name])
    return words, codes


def _worded(given: NDArray[np.intp], keys: list[str], titles: Mapping[str, str]) -> tuple[list[str], NDArray[Any]]:
    """Return the words in order, and for each row its word; a missing one (-1) is an empty word."""
    shown = [titles.get(key, key) for key in keys] + [""]  # the last one is for -1
    words = sorted({shown[code] for code in np.unique(given)})
    at = {text: i for i, text in enumerate(words)}
    return words, np.array([at.get(text, 0) for text in shown], dtype=np.uint32)[given]


def _class_columns(result: StudyResult, order: NDArray[np.int64]) -> Columns:
    """Return the columns of each class that are not shared by their making."""
    place = {(p.zone_id, p.development_type): i + 1 for i, p in enumerate(permissions_of(result))}
    to_row = np.empty(len(order), dtype=np.uint32)
    to_row[order] = np.arange(len(order), dtype=np.uint32)
    columns: Columns = {}
    for k, scores in enumerate(result.scores):
        given = Permissions.of(scores.permissions)
        # The last entry is what -1 points at; a permission that no candidate has is in no list.
        of_code = np.array([*(place.get((p.zone_id, p.development_type), 0) for p in given.table), 0], dtype=np.uint16)
        columns[f"permission_{k}"] = of_code[given.codes[order]]
        columns[f"main_reason_{k}"] = (main_reason(scores.exclusions)[order] + 1).astype(np.uint16)
        columns[f"best_{k}"] = to_row[best_rows(scores)]
    return columns


def _equal_columns(columns: Columns) -> dict[str, str]:
    """Return for each column that repeats an earlier one the name of that."""
    first: dict[tuple[int, bytes], str] = {}
    same = {}
    for name, values in columns.items():
        key = len(values), hashlib.sha256(np.ascontiguousarray(values).data).digest()
        if first.setdefault(key, name) != name:
            same[name] = first[key]
    return same
