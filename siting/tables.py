"""What a study found, as tables: one row per candidate, the top candidates, and counts by zone and by rule.

Column names are those of the exported files; a column of one class begins with the key of the class. Text that
repeats (verdicts, clauses, rules) is categorical: each text is held once, and whoever writes or translates a table
turns each text once, however many rows hold it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gis.bilingual import Language, Text
from siting import broken_rules
from siting.census import Census, UnitCensus
from siting.citation import Citation
from siting.criteria import MEASURES
from siting.pack import CityPack, ZonePermission
from siting.permissions import Permissions
from siting.scoring import contributions_at, normalised_at
from siting.site_power import POWER_COLUMNS, power_table
from siting.types import SiteScores, StudyResult
from siting.wording import clause, decimals, quantity

IDENTITY_COLUMNS = ("parcel_id", "name", "land_use", "area_m2", "compactness", "district", "unit_id", "unit", "zone_id",
                    "zone", "certainty")
"""Columns that no class owns, in their order; ``name`` only where the layer has it."""

SCORE_DECIMALS = 6
N_STRENGTHS = 3

Rows = Sequence[int] | NDArray[np.int64]


def criterion_title(criterion_id: str) -> Text:
    """Return what a reader calls a criterion."""
    found = MEASURES.get(criterion_id)
    return found.title if found else Text(zh=criterion_id, en=criterion_id)


def citation_text(pack: CityPack, citation: Citation, language: Language) -> str:
    """Write a citation with the title of its document."""
    titles = {d.document_id: d.title.to(language) for d in pack.documents}
    return clause(titles.get(citation.document, citation.document), citation.heading, citation.quote, language)


def parcel_table(result: StudyResult, *, language: Language = "zh", rows: Rows | None = None) -> gpd.GeoDataFrame:
    """Tabulate the candidates: one row each, excluded ones too.

    Parameters
    ----------
    result
        The study.
    language
        Language of the titles of units and zones and of the documents' names.
    rows
        Positions of the candidates wanted; None for all.

    Returns
    -------
    Frame in the metric CRS with ``IDENTITY_COLUMNS``, and for each class ``c``: ``{c}_eligible``,
    ``{c}_score`` and ``{c}_rank`` (null where excluded), ``{c}_permission``, ``{c}_permission_clause``,
    ``{c}_data_coverage`` (share of weight measured), ``{c}_exclusion_rules`` and ``{c}_penalty_rules``
    (``rule_id(measured<required unit)``, joined by "; "), ``{c}_untested_rules`` (rules of other candidates
    that this one could not be tested for), and the raw value of each criterion as ``{c}_{criterion_id}``.
    """
    return _table(result, language, rows, with_contributions=False)


def contribution_table(result: StudyResult, *, language: Language = "zh",
                       rows: Rows | None = None) -> gpd.GeoDataFrame:
    """Tabulate the candidates as ``parcel_table`` does, with what each criterion adds to the score.

    Returns
    -------
    As ``parcel_table``, and after the raw values of a class ``{c}_{criterion_id}_contribution``; the
    contributions of a row sum to its score.
    """
    return _table(result, language, rows, with_contributions=True)


def _table(result: StudyResult, language: Language, rows: Rows | None, *, with_contributions: bool) -> gpd.GeoDataFrame:
    wanted = np.arange(len(result.candidates)) if rows is None else np.asarray(rows, dtype=np.int64)
    columns = _identity(result, language, wanted)
    for scores in result.scores:
        columns |= _class_columns(result, scores, language, wanted)
        key = scores.site_class.class_id
        for i, criterion in enumerate(scores.criteria):
            columns[f"{key}_{criterion.criterion_id}"] = np.round(scores.raw[wanted, i], decimals(criterion.unit))
        if with_contributions:
            added = np.round(contributions_at(scores, wanted), SCORE_DECIMALS)
            columns |= {f"{key}_{c.criterion_id}_contribution": added[:, i] for i, c in enumerate(scores.criteria)}
    geometry = result.candidates.geometry.array[wanted]
    return gpd.GeoDataFrame(columns, geometry=geometry, crs=result.candidates.crs)


def titled_columns(result: StudyResult, language: Language, rows: Rows) -> dict[str, pd.Categorical]:
    """Return the columns of ``contribution_table`` that depend on its language, for some candidates.

    Returns
    -------
    ``unit, zone``, and for each class ``{c}_permission_clause``.
    """
    wanted = np.asarray(rows, dtype=np.int64)
    frame = result.candidates
    found = {"unit": retitled(_repeated(frame["unit_id"].iloc[wanted]), unit_titles(result, language)),
             "zone": retitled(_repeated(frame["zone_id"].iloc[wanted]), zone_titles(result, language))}
    for scores in result.scores:
        code, verdicts = _verdicts(scores, wanted)
        found[f"{scores.site_class.class_id}_permission_clause"] = _clauses(result.pack, code, verdicts, language)
    return found


def unit_titles(result: StudyResult, language: Language) -> dict[str, str]:
    """Return the names of units by key, those of districts that the pack does not know among them."""
    column = "name_zh" if language == "zh" else "name_en"
    named = {str(key): str(name) for key, name in zip(result.units["unit_id"], result.units[column], strict=True)}
    return named | {u.unit_id: u.title.to(language) for u in result.pack.units}


def zone_titles(result: StudyResult, language: Language) -> dict[str, str]:
    """Return the names of policy zones by key."""
    return {z.zone_id: z.title.to(language) for z in result.pack.zones}


def _identity(result: StudyResult, language: Language, wanted: NDArray[np.int64]) -> dict[str, object]:
    frame = result.candidates
    frame = pd.DataFrame({c: frame[c].array[wanted] for c in frame.columns if c != "geometry"}, copy=False)
    unit, zone = _repeated(frame["unit_id"]), _repeated(frame["zone_id"])
    found: dict[str, object] = {
        "parcel_id": frame["parcel_id"].astype(str).to_numpy(dtype=object),
        "land_use": _repeated(frame["land_use"]),
        "area_m2": frame["area_m2"].to_numpy(dtype=np.float64).round(1),
        "compactness": frame["compactness"].to_numpy(dtype=np.float64).round(4),
        "district": _repeated(frame["district"]),
        "unit_id": unit,
        "unit": retitled(unit, unit_titles(result, language)),
        "zone_id": zone,
        "zone": retitled(zone, zone_titles(result, language)),
        "certainty": _repeated(frame["certainty"]),
    }
    if "name" in frame.columns:
        found["name"] = frame["name"].to_numpy(dtype=object)
    return {column: found[column] for column in IDENTITY_COLUMNS if column in found}


def _repeated(column: pd.Series[Any]) -> pd.Categorical:
    """Hold each word of a column once."""
    codes, words = pd.factorize(column)
    return categorical(codes, list(words))


def categorical(codes: NDArray[Any], words: Sequence[object]) -> pd.Categorical:
    """Return ``words[codes]`` with each word held once.

    Parameters
    ----------
    codes
        Shape (n,), index into ``words``; -1 for a missing value.
    words
        May repeat; None for a missing value.
    """
    held = np.empty(len(words) + 1, dtype=object)
    held[:-1] = words
    at, distinct = pd.factorize(held)
    return pd.Categorical.from_codes(at[codes], categories=pd.Index(distinct, dtype=object))


def retitled(column: pd.Categorical, titles: Mapping[str, str]) -> pd.Categorical:
    """Return a column of titles for a column of keys; a key without title keeps itself."""
    return categorical(column.codes, [titles.get(key, key) for key in column.categories])


def _class_columns(result: StudyResult, scores: SiteScores, language: Language,
                   wanted: NDArray[np.int64]) -> dict[str, object]:
    key = scores.site_class.class_id
    table = scores.exclusions
    # Of the rows wanted alone: the properties of the table would look at every candidate for each block of rows.
    shortfall = table.shortfall[wanted]
    broken = shortfall > 0.0
    eligible = np.asarray(~(broken & table.excludes).any(axis=1), dtype=np.bool_)
    verdict, verdicts = _verdicts(scores, wanted)
    return {
        f"{key}_eligible": eligible,
        f"{key}_score": np.where(eligible, np.round(scores.score[wanted], SCORE_DECIMALS), np.nan),
        f"{key}_rank": pd.arrays.IntegerArray(scores.rank[wanted].astype(np.int64), ~eligible),
        f"{key}_permission": categorical(verdict, [p.permission for p in verdicts]),
        f"{key}_permission_clause": _clauses(result.pack, verdict, verdicts, language),
        f"{key}_data_coverage": np.round(scores.data_coverage[wanted], 4),
        f"{key}_exclusion_rules": _phrases(scores, wanted, broken & table.excludes),
        f"{key}_penalty_rules": _phrases(scores, wanted, broken & ~table.excludes),
        f"{key}_untested_rules": _ids(scores, _untested_here(result, scores, shortfall)),
    }


def _verdicts(scores: SiteScores, wanted: NDArray[np.int64]) -> tuple[NDArray[np.int16], tuple[ZonePermission, ...]]:
    """Return which of the verdicts of policy is that of each of some candidates, -1 for none, and the verdicts."""
    given = scores.permissions
    if isinstance(given, Permissions):
        return given.codes[wanted], given.table
    held = Permissions.of([given[i] for i in wanted.tolist()])
    return held.codes, held.table


def _clauses(pack: CityPack, code: NDArray[np.int16], verdicts: Sequence[ZonePermission],
             language: Language) -> pd.Categorical:
    return categorical(code, [citation_text(pack, p.citation, language) for p in verdicts])


def _objects(values: Sequence[str | None]) -> NDArray[np.object_]:
    return np.array(values, dtype=object)


def _untested_here(result: StudyResult, scores: SiteScores, shortfall: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mark the rules that a row could not be tested for, though another candidate could."""
    untested = set(result.census_for(scores.site_class.class_id).untested_rules)
    return np.isnan(shortfall) & np.array([r.rule_id not in untested for r in scores.exclusions.rules], dtype=np.bool_)


def _phrases(scores: SiteScores, wanted: NDArray[np.int64], marked: NDArray[np.bool_]) -> pd.Categorical:
    """Write the marked rules of each row into one cell; the rules keep the order of the pack."""
    cells = _JoinedCells(len(wanted))
    for column in np.flatnonzero(marked.any(axis=0)):
        rows = np.flatnonzero(marked[:, column])
        cells.append(rows, *broken_rules.phrases(scores.exclusions.rules[column],
                                                 scores.exclusions.measured[wanted[rows], column]))
    return cells.texts()


def _ids(scores: SiteScores, marked: NDArray[np.bool_]) -> pd.Categorical:
    cells = _JoinedCells(len(marked))
    for column in np.flatnonzero(marked.any(axis=0)):
        rows = np.flatnonzero(marked[:, column])
        cells.append(rows, np.zeros(len(rows), dtype=np.int64), [scores.exclusions.rules[column].rule_id])
    return cells.texts()


class _JoinedCells:
    """Text cells that grow phrase by phrase: each distinct text is made once, however many rows hold it."""

    def __init__(self, n_rows: int) -> None:
        self._code = np.zeros(n_rows, dtype=np.int64)
        self._texts = [""]

    def append(self, rows: NDArray[np.int64], phrase: NDArray[np.int64], phrases: Sequence[str]) -> None:
        """Append ``phrases[phrase[i]]`` to the cell of ``rows[i]``."""
        pairs, inverse = pd.factorize(self._code[rows] * len(phrases) + phrase)[::-1]
        self._code[rows] = len(self._texts) + inverse
        before, added = np.divmod(pairs, len(phrases))
        self._texts += [broken_rules.join((self._texts[b], phrases[a])) if b else phrases[a]
                        for b, a in zip(before.tolist(), added.tolist(), strict=True)]

    def texts(self) -> pd.Categorical:
        """Return the cells; equal cells share one text."""
        code, used = pd.factorize(self._code)
        return categorical(code, [self._texts[i] for i in used])


def top_rows(result: StudyResult, class_id: str) -> NDArray[np.int64]:
    """Return the positions of the best eligible candidates of a class, best first, at most ``study.n_top``."""
    rank, n_top = result.scores_for(class_id).rank, result.study.n_top
    rows = np.flatnonzero(rank > 0)
    if len(rows) > n_top > 0:  # ranks differ, so that no more than these are up to the last one wanted
        rows = rows[rank[rows] <= np.partition(rank[rows], n_top - 1)[n_top - 1]]
    order = rows[np.argsort(rank[rows], kind="stable")]
    return np.asarray(order[:n_top], dtype=np.int64)


def top_candidates(result: StudyResult, *, language: Language = "zh") -> gpd.GeoDataFrame:
    """Tabulate the best candidates of each class and say what makes and mars each.

    Returns
    -------
    Frame in the metric CRS: ``candidate_id`` (class and rank), ``site_class, rank, parcel_id``, ``name`` where
    the layer has it, ``score, data_coverage, land_use, area_m2, district, unit_id, unit, zone_id, zone,
    permission, permission_clause, penalty_rules, why_zh, why_en`` (the three criteria that add most),
    ``weakest_zh, weakest_en`` (the criterion that costs most), ``siting.site_power.POWER_COLUMNS`` (load of the
    class's reference project and its two feeds), ``certainty, geometry``.
    """
    parts = [_top_of(result, scores, language) for scores in result.scores]
    return gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), geometry="geometry", crs=result.candidates.crs)


def _top_of(result: StudyResult, scores: SiteScores, language: Language) -> gpd.GeoDataFrame:
    key = scores.site_class.class_id
    rows = top_rows(result, key)
    table = parcel_table(result, language=language, rows=rows)
    table = table.astype({c: object for c, dtype in table.dtypes.items() if isinstance(dtype, pd.CategoricalDtype)})
    width = len(str(result.study.n_top))
    own = {column: table[f"{key}_{column}"] for column in
           ("score", "rank", "data_coverage", "permission", "permission_clause", "penalty_rules")}
    notes = {
        "why_zh": [strengths(scores, i, "zh") for i in rows], "why_en": [strengths(scores, i, "en") for i in rows],
        "weakest_zh": [weakness(scores, i, "zh") for i in rows],
        "weakest_en": [weakness(scores, i, "en") for i in rows],
    }
    ids = [f"{key}-{rank:0{width}d}" for rank in own["rank"]]
    frame = table[[c for c in (*IDENTITY_COLUMNS, "geometry") if c in table.columns and c != "compactness"]].assign(
        candidate_id=_objects(ids), site_class=_objects([key] * len(rows)), **own,
        **{column: _objects(texts) for column, texts in notes.items()},
        **{str(column): cells.to_numpy() for column, cells in power_table(result, scores.site_class, rows).items()})
    first = ["candidate_id", "site_class", "rank", "parcel_id", *(["name"] if "name" in table.columns else []), "score",
             "data_coverage", "land_use", "area_m2", "district", "unit_id", "unit", "zone_id", "zone", "permission",
             "permission_clause", "penalty_rules", *notes, *POWER_COLUMNS, "certainty", "geometry"]
    return frame[first]


def strengths(scores: SiteScores, row: int, language: Language) -> str:
    """Name the criteria that add most to a candidate's score, with their measured values."""
    added = contributions_at(scores, slice(row, row + 1))[0]
    order = [i for i in np.argsort(-added, kind="stable") if added[i] > 0][:N_STRENGTHS]
    return ("；" if language == "zh" else "; ").join(_measured(scores, row, i, language) for i in order)


def weakness(scores: SiteScores, row: int, language: Language) -> str:
    """Name the measured criterion that costs the candidate most; empty where none costs anything."""
    weights = np.array([c.weight for c in scores.criteria])
    lost = np.nan_to_num(weights * (1.0 - normalised_at(scores, slice(row, row + 1))[0]))
    worst = int(np.argmax(lost)) if len(lost) else 0
    return _measured(scores, row, worst, language) if len(lost) and lost[worst] > 0 else ""


def _measured(scores: SiteScores, row: int, column: int, language: Language) -> str:
    criterion = scores.criteria[column]
    value = quantity(float(scores.raw[row, column]), criterion.unit, language)
    return f"{criterion_title(criterion.criterion_id).to(language)} {value}"


def summary_by_zone(result: StudyResult, class_id: str, *, language: Language = "zh") -> pd.DataFrame:
    """Count the candidates of a class by unit, in the order of ``result.units``.

    Returns
    -------
    ``zone_id, zone, unit_id, unit, permission, n_candidates, n_eligible, n_excluded, area_m2,
    eligible_area_m2, excluded_by`` (``rule_id: count`` of the main reasons, most frequent first),
    ``best_score, best_parcel_id``. Candidates outside every unit come last, under empty keys.
    """
    census = result.census_for(class_id)
    counted = {(u.zone_id, u.unit_id): u for u in census.units}
    known = list(zip(result.units["zone_id"].fillna(""), result.units["unit_id"].fillna(""), strict=True))
    units, zones = unit_titles(result, language), zone_titles(result, language)
    return pd.DataFrame([{"zone_id": zone_id, "zone": zones.get(zone_id, zone_id), "unit_id": unit_id,
                          "unit": units.get(unit_id, unit_id), **_counts(census, counted.get((zone_id, unit_id)))}
                         for zone_id, unit_id in dict.fromkeys([*known, *counted])])


def _counts(census: Census, unit: UnitCensus | None) -> dict[str, object]:
    if unit is None:
        return {"permission": None, "n_candidates": 0, "n_eligible": 0, "n_excluded": 0, "area_m2": 0.0,
                "eligible_area_m2": 0.0, "excluded_by": "", "best_score": float("nan"), "best_parcel_id": ""}
    order = sorted((i for i, n in enumerate(unit.main_reasons) if n), key=lambda i: -unit.main_reasons[i])
    reasons = [f"{census.rules[i].rule_id}: {unit.main_reasons[i]}" for i in order]
    return {
        "permission": unit.permission, "n_candidates": unit.n_candidates, "n_eligible": unit.n_eligible,
        "n_excluded": unit.n_candidates - unit.n_eligible, "area_m2": round(unit.area_m2, 1),
        "eligible_area_m2": round(unit.eligible_area_m2, 1), "excluded_by": "; ".join(reasons),
        "best_score": float("nan") if unit.best_score is None else round(unit.best_score, SCORE_DECIMALS),
        "best_parcel_id": unit.best_parcel_id,
    }


def summary_by_rule(result: StudyResult, class_id: str) -> pd.DataFrame:
    """Count, rule by rule, the candidates of a class that break it.

    Returns
    -------
    One row per rule in the pack's order: ``rule_id, excludes, n_tested, n_broken, area_m2`` (of the candidates
    that break it), ``n_only`` (candidates that this rule alone excludes).
    """
    rules = result.census_for(class_id).rules
    return pd.DataFrame({
        "rule_id": [r.rule_id for r in rules], "excludes": [r.excludes for r in rules],
        "n_tested": [r.n_tested for r in rules], "n_broken": [r.n_broken for r in rules],
        "area_m2": [round(r.broken_area_m2, 1) for r in rules], "n_only": [r.n_only for r in rules],
    })
