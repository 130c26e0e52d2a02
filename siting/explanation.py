"""Why a parcel has the verdict that it has: every criterion, every broken rule, and the clause behind each.

An explanation is drawn from one row of the contribution table and the scheme of the run, and from nothing
else. A running study and a finished folder therefore give the same one.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from gis.bilingual import Language, Text
from gis.errors import DataError, UsageError
from layers.exports import geoparquet
from siting import broken_rules
from siting.broken_rules import BrokenRule
from siting.citation import Citation
from siting.scheme import Record, scheme_of
from siting.tables import Rows, contribution_table
from siting.types import StudyResult

Cells = Mapping[str, object]
"""One row of the contribution table: values of a frame, or the text of a CSV file."""

PARCELS_FILE = "parcels.csv"
LARGE_PARCELS_FILE = "parcels.parquet"
"""What takes the place of ``parcels.csv`` in a study too large for text."""

MANIFEST_FILE = "manifest.json"
_MOST_COMPARED = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CriterionLine:
    """One criterion of one parcel."""

    criterion_id: str
    title: Text
    raw: float | None
    """Measured value in ``unit``; None where not measured, infinity where nothing was in reach."""
    unit: str
    normalised: float | None
    """0 at ``worst``, 1 at ``best``; None where not measured."""
    weight: float
    """Share of the score that the study gives it."""
    worst: float
    best: float
    contribution: float
    """What it adds to the score, the weight of unmeasured criteria shared out."""
    citation: Citation
    document: Text
    """Title of the document that is cited."""
    assumed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonLine:
    """One rule that the parcel does not keep, or that could not be tested."""

    rule_id: str
    title: Text
    measured: float | None
    """In ``unit``; None where the test measures nothing, or was not made."""
    relation: broken_rules.Relation
    required: float | None
    unit: str
    excludes: bool
    mitigation: str
    """Measure that the study takes instead of keeping the rule."""
    citation: Citation
    document: Text
    """Title of the document that is cited."""
    assumed: bool
    note: Text | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """All that speaks for and against one parcel for one class."""

    parcel_id: str
    name: str
    class_id: str
    class_title: Text
    land_use: str
    area_m2: float
    district: str
    unit: Text
    zone: Text
    certainty: str
    eligible: bool
    score: float | None
    """0 to 1; None where excluded."""
    rank: int | None
    """1 for the best; None where excluded."""
    n_eligible: int
    n_candidates: int
    permission: str
    """What policy says; empty outside every zone."""
    condition: Text | None
    permission_citation: Citation | None
    permission_document: Text
    permission_assumed: bool
    data_coverage: float
    """Share of weight that was measured."""
    criteria: tuple[CriterionLine, ...]
    """In the order of the pack."""
    exclusions: tuple[ReasonLine, ...]
    """Broken rules that exclude."""
    penalties: tuple[ReasonLine, ...]
    """Broken rules that only penalise."""
    untested: tuple[ReasonLine, ...]
    """Rules that could not be tested."""

    def lines(self, language: Language) -> tuple[str, ...]:
        """Return the explanation as plain text, one line each."""
        from siting.explanation_text import lines

        return lines(self, language)


def explain(result: StudyResult, class_id: str, row_index: int) -> Explanation:
    """Explain one candidate of a study.

    Parameters
    ----------
    result
        The study.
    class_id
        A class that was scored.
    row_index
        Position of the candidate in ``result.candidates``.
    """
    return explain_rows(result, class_id, [row_index])[0]


def explain_rows(result: StudyResult, class_id: str, rows: Rows) -> tuple[Explanation, ...]:
    """Explain several candidates, each by its position in ``result.candidates``."""
    scheme = scheme_of(result)
    table = contribution_table(result, rows=rows).drop(columns="geometry")
    return tuple(explain_record(scheme, class_id, cells) for cells in table.to_dict("records"))


def read_explanation(out_dir: Path | str, parcel_id: str) -> tuple[Explanation, ...]:
    """Explain one parcel of a finished study from its files.

    Parameters
    ----------
    out_dir
        Folder that the study was written to.
    parcel_id
        Key of the parcel.

    Returns
    -------
    One explanation per class, in the order of the study.

    Raises
    ------
    DataError
        The folder holds no finished study, or its files do not belong together.
    UsageError
        The study has no such parcel.
    """
    folder = Path(out_dir)
    manifest = _read_manifest(folder)
    scheme: Record = manifest["scheme"]
    is_large = LARGE_PARCELS_FILE in manifest["files"]
    cells = (_find_in_parquet(folder, manifest, parcel_id) if is_large
             else _find_row(_read_parcels(folder, manifest), parcel_id))
    try:
        return tuple(explain_record(scheme, c["class_id"], cells) for c in scheme["classes"])
    except (KeyError, TypeError, ValueError, StopIteration) as error:
        raise _damaged(folder / (LARGE_PARCELS_FILE if is_large else PARCELS_FILE)) from error


def _read_manifest(folder: Path) -> Record:
    path = folder / MANIFEST_FILE
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _not_finished(folder) from error
    if not isinstance(manifest, dict) or "classes" not in manifest.get("scheme", {}) or "files" not in manifest:
        raise _not_finished(folder)
    return manifest


def _read_parcels(folder: Path, manifest: Record) -> list[dict[str, str]]:
    path = folder / PARCELS_FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _not_finished(folder) from error
    # A table that was edited, or left over from another run, must not be explained as if it were this one's.
    if hashlib.sha256(content).hexdigest() != manifest["files"].get(PARCELS_FILE):
        raise _damaged(path)
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def _find_row(rows: list[dict[str, str]], parcel_id: str) -> Cells:
    for row in rows:
        if _cell_text(row.get("parcel_id")) == parcel_id:
            return row
    raise _unknown_parcel(parcel_id, [_cell_text(row.get("parcel_id")) for row in rows])


def _find_in_parquet(folder: Path, manifest: Record, parcel_id: str) -> Cells:
    """Find one row of a large study without reading the others."""
    path = folder / LARGE_PARCELS_FILE
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _not_finished(folder) from error
    if digest != manifest["files"][LARGE_PARCELS_FILE]:
        raise _damaged(path)
    cells = geoparquet.read_row(path, "parcel_id", parcel_id)
    if cells is None:
        raise _unknown_parcel(parcel_id, [str(key) for key in geoparquet.read_column(path, "parcel_id")])
    return cells


def _unknown_parcel(parcel_id: str, known: list[str]) -> UsageError:
    # Comparing takes a microsecond or so per letter and id: among many, those that begin alike must do.
    alike = known if len(known) <= _MOST_COMPARED else [k for k in known if k[:2] == parcel_id[:2]][:_MOST_COMPARED]
    near = difflib.get_close_matches(parcel_id, alike, n=3)
    return UsageError(
        f"the study has no parcel {parcel_id!r} among {len(known)}; "
        + (f"did you mean {', '.join(near)}?" if near else f"ids look like {', '.join(known[:3])}"),
        f"该方案的 {len(known)} 个候选对象中没有 {parcel_id!r}；"
        + (f"是否指 {'、'.join(near)}？" if near else f"编号形如 {'、'.join(known[:3])}"),
    )


def _not_finished(folder: Path) -> DataError:
    return DataError(f"{folder} is not a finished study (no readable {MANIFEST_FILE} and {PARCELS_FILE}); run it first",
                     f"{folder} 不是已完成的方案目录（缺少可读的 {MANIFEST_FILE} 和 {PARCELS_FILE}）；请先运行方案")


def _damaged(path: Path) -> DataError:
    return DataError(f"{path} is not the table that its manifest describes (edited, or cut short); run the study again",
                     f"{path} 与 {MANIFEST_FILE} 的记载不符（被编辑过或写入中断）；请重新运行方案")


def explain_record(scheme: Record, class_id: str, cells: Cells) -> Explanation:
    """Explain one row of the contribution table by the scheme of its run.

    Raises
    ------
    KeyError, ValueError, StopIteration
        The row and the scheme do not belong together.
    """
    site_class = next(c for c in scheme["classes"] if c["class_id"] == class_id)
    rules: dict[str, Record] = {r["rule_id"]: r for r in site_class["rules"]}
    titles = {d["document_id"]: _bilingual(d["title"]) for d in scheme["documents"]}
    zone_id = _cell_text(cells["zone_id"])
    verdict = _verdict(scheme, zone_id, site_class, _cell_text(cells[f"{class_id}_permission"]))
    citation = _citation(verdict["citation"]) if verdict else None
    rank = _cell_number(cells[f"{class_id}_rank"])

    def reasons(column: str) -> tuple[ReasonLine, ...]:
        found = broken_rules.parse(_cell_text(cells[f"{class_id}_{column}"]))
        return tuple(_reason(rules[b.rule_id], b, titles) for b in found)

    return Explanation(
        parcel_id=_cell_text(cells["parcel_id"]), name=_cell_text(cells.get("name")), class_id=class_id,
        class_title=_bilingual(site_class["title"]), land_use=_cell_text(cells["land_use"]),
        area_m2=_cell_number(cells["area_m2"]) or 0.0, district=_cell_text(cells["district"]),
        unit=_title_of(scheme["units"], "unit_id", _cell_text(cells["unit_id"])),
        zone=_title_of(scheme["zones"], "zone_id", zone_id), certainty=_cell_text(cells["certainty"]),
        eligible=_cell_text(cells[f"{class_id}_eligible"]) == "True",
        score=_cell_number(cells[f"{class_id}_score"]), rank=None if rank is None else int(rank),
        n_eligible=site_class["n_eligible"], n_candidates=site_class["n_candidates"],
        permission=verdict["permission"] if verdict else "",
        condition=_bilingual(verdict["condition"]) if verdict and verdict["condition"] else None,
        permission_citation=citation, permission_document=_document(titles, citation),
        permission_assumed=bool(verdict and verdict["assumed"]),
        data_coverage=_cell_number(cells[f"{class_id}_data_coverage"]) or 0.0,
        criteria=tuple(_criterion_line(c, class_id, cells, titles) for c in site_class["criteria"]),
        exclusions=reasons("exclusion_rules"), penalties=reasons("penalty_rules"),
        untested=_untested(site_class, titles) + reasons("untested_rules"),
    )


def _verdict(scheme: Record, zone_id: str, site_class: Record, permission: str) -> Record | None:
    if not permission:
        return None
    found: Record = next(p for p in scheme["permissions"] if p["zone_id"] == zone_id
                         and p["development_type"] == site_class["development_type"] and p["permission"] == permission)
    return found


def _untested(site_class: Record, titles: Mapping[str, Text]) -> tuple[ReasonLine, ...]:
    unknown = set(site_class["untested_rules"])
    return tuple(_reason(r, BrokenRule(r["rule_id"]), titles) for r in site_class["rules"] if r["rule_id"] in unknown)


def _reason(rule: Record, broken: BrokenRule, titles: Mapping[str, Text]) -> ReasonLine:
    citation = _citation(rule["citation"])
    return ReasonLine(
        rule_id=rule["rule_id"], title=_bilingual(rule["title"]), measured=broken.measured, relation=broken.relation,
        required=rule["limit"], unit=rule["unit"], excludes=rule["excludes"], mitigation=rule["mitigation"],
        citation=citation, document=_document(titles, citation), assumed=rule["assumed"],
        note=_bilingual(rule["note"]) if rule["note"] else None)


def _criterion_line(criterion: Record, class_id: str, cells: Cells, titles: Mapping[str, Text]) -> CriterionLine:
    key = f"{class_id}_{criterion['criterion_id']}"
    raw = _cell_number(cells[key])
    citation = _citation(criterion["citation"])
    return CriterionLine(
        criterion_id=criterion["criterion_id"], title=_bilingual(criterion["title"]), raw=raw, unit=criterion["unit"],
        normalised=None if raw is None else _normalised(raw, criterion["worst"], criterion["best"]),
        weight=criterion["weight"], worst=criterion["worst"], best=criterion["best"],
        contribution=_cell_number(cells[f"{key}_contribution"]) or 0.0, citation=citation,
        document=_document(titles, citation), assumed=criterion["assumed"])


def _normalised(raw: float, worst: float, best: float) -> float:
    held = min(max(raw, min(worst, best)), max(worst, best))
    return (held - worst) / (best - worst)


def _title_of(records: list[Record], key: str, wanted: str) -> Text:
    return next((_bilingual(r["title"]) for r in records if r[key] == wanted), Text(zh=wanted, en=wanted))


def _bilingual(record: Record) -> Text:
    return Text(zh=record["zh"], en=record["en"])


def _citation(record: Record) -> Citation:
    return Citation(document=record["document"], heading=record["heading"], quote=record["quote"],
                    ids=tuple(record["ids"]))


def _document(titles: Mapping[str, Text], citation: Citation | None) -> Text:
    key = citation.document if citation else ""
    return titles.get(key, Text(zh=key, en=key))


def _cell_number(value: Any) -> float | None:
    """Read a number from a frame or from a CSV cell; None where there is none."""
    written = _cell_text(value)
    number = float(written) if written else math.nan
    return None if math.isnan(number) else number


def _cell_text(value: Any) -> str:
    """Read text from a frame or from a CSV cell; what is missing is empty text."""
    if pd.isna(value):
        return ""
    # The CSV writer puts an apostrophe before text that a spreadsheet would run as a formula.
    written = str(value).replace("\r\n", "\n").replace("\r", "\n")
    return written[1:] if written[:1] == "'" and written[1:2] in ("=", "+", "-", "@", "\t") else written
