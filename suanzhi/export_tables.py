"""What goes along with exported layers: a summary, the rules with their clauses, the criteria, the sources, tables."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from gis.bilingual import Language, Text
from layers.exports.bundles import StudyTable
from layers.exports.targets import Target
from siting.finished_study import FinishedStudy, said
from siting.scheme import Record
from suanzhi.export_titles import title_of
from suanzhi.finished_layers import QUANTITY

_TITLES: dict[str, Text] = {
    "item": Text(zh="项目", en="item"), "value": Text(zh="内容", en="value"),
    "site_class": Text(zh="数据中心类别", en="class"), "rule_id": Text(zh="规则编号", en="rule"),
    "title": Text(zh="名称", en="title"), "limit_value": Text(zh="限值", en="limit"),
    "unit": Text(zh="单位", en="unit"),
    "strictness": Text(zh="严格程度", en="strictness"), "excludes": Text(zh="是否排除", en="excludes"),
    "is_tested": Text(zh="是否检验", en="tested"), "mitigation": Text(zh="替代措施", en="mitigation"),
    "document": Text(zh="依据文件", en="document"), "heading": Text(zh="条目", en="heading"),
    "quote": Text(zh="原文", en="sentence"), "is_assumed": Text(zh="数值为假定", en="assumed value"),
    "criterion_id": Text(zh="准则编号", en="criterion"), "weight": Text(zh="权重", en="weight"),
    "worst": Text(zh="最差值", en="worst"), "best": Text(zh="最好值", en="best"), "layer": Text(zh="图层", en="layer"),
    "source": Text(zh="读取方式", en="source"), "file": Text(zh="文件", en="file"),
    "sha256": Text(zh="SHA-256", en="SHA-256"), "certainty": Text(zh="数据可信度", en="certainty"),
    "datum": Text(zh="坐标基准", en="datum"), "crs": Text(zh="坐标系", en="CRS"),
    "licence": Text(zh="许可", en="licence"),
    "attribution": Text(zh="署名", en="attribution"), "approval_number": Text(zh="审图号", en="approval number"),
    "vintage": Text(zh="数据时点", en="vintage"), "note": Text(zh="说明", en="note"),
    "n_read": Text(zh="读入", en="read"), "n_accepted": Text(zh="接受", en="accepted"),
    "n_repaired": Text(zh="修复", en="repaired"), "n_rejected": Text(zh="剔除", en="rejected"),
}


def tables_of(study: FinishedStudy, target: Target, language: Language) -> tuple[StudyTable, ...]:
    """Return the tables of a study: ``summary, rules, criteria, sources``.

    Parameters
    ----------
    study
        The study.
    target
        CRS of the layers that the tables go along with.
    language
        Language of what they say.
    """
    manifest = study.manifest
    return (
        _table("summary", Text(zh="概要", en="summary"), _summary(study, target, language)),
        _table("rules", Text(zh="规则", en="rules"), _rules(manifest["scheme"], language)),
        _table("criteria", Text(zh="准则", en="criteria"), _criteria(manifest["scheme"], language)),
        _table("sources", Text(zh="数据", en="data"), [_source(record, language) for record in manifest["inputs"]]),
    )


_TABLE_FILE = re.compile(r"([A-Za-z0-9_]+)\.csv")


def result_tables(study: FinishedStudy, language: Language) -> tuple[StudyTable, ...]:
    """Return the tables that a study wrote and that no layer holds, in the order of their names.

    Parameters
    ----------
    study
        The study.
    language
        Language of their words; the titles of columns come in both.

    Raises
    ------
    DataError
        A file was changed since it was written.
    """
    files = study.manifest["files"]
    names = sorted(match[1] for file in files if (match := _TABLE_FILE.fullmatch(file)))
    return tuple(_result_table(study, name, language) for name in names
                 if name not in ("parcels", *study.layer_names)
                 and not (name.endswith("_zh") and f"{name.removesuffix('_zh')}.csv" in files))


def _result_table(study: FinishedStudy, name: str, language: Language) -> StudyTable:
    own = _read_csv(study, f"{name}.csv")
    columns = [str(c) for c in own.columns]
    titles: dict[str, Text] = {}
    if f"{name}_zh.csv" in study.manifest["files"]:
        chinese = _read_csv(study, f"{name}_zh.csv")
        titles = {c: Text(zh=str(title), en=c) for c, title in zip(columns, chinese.columns, strict=True) if c != title}
        own = chinese.set_axis(columns, axis=1) if language == "zh" else own
    for column in columns:
        numbers = pd.to_numeric(own[column], errors="coerce")
        if (QUANTITY.search(column) or column.startswith("n_")) and (numbers.notna() | own[column].isna()).all():
            own[column] = numbers.astype("float64")
    return StudyTable(name=name, title=title_of(name, study.manifest["study"]["candidates"]), frame=own, titles=titles)


def _read_csv(study: FinishedStudy, file: str) -> pd.DataFrame:
    return pd.read_csv(study.checked(file), dtype="str", keep_default_na=False, na_values=[""], encoding="utf-8-sig")


def _table(name: str, title: Text, rows: list[Record]) -> StudyTable:
    frame = pd.DataFrame(rows)
    for column in frame.columns:
        if frame[column].isna().all():
            frame[column] = frame[column].astype("float64" if column == "limit_value" else "str")
    return StudyTable(name=name, title=title, frame=frame, titles={c: _TITLES[c] for c in frame.columns})


def _summary(study: FinishedStudy, target: Target, language: Language) -> list[Record]:
    manifest = study.manifest
    rows: list[tuple[Text, Any]] = [
        (Text(zh="方案", en="study"), study.title.to(language)),
        (Text(zh="软件版本", en="version"), f"suanzhi {manifest['version']}"),
        (Text(zh="成果清单 SHA-256（不含耗时）", en="SHA-256 of the manifest without timings"), study.sha256),
        (Text(zh="坐标", en="coordinates"), target.title.to(language)),
    ]
    for own, found in zip(manifest["scheme"]["classes"], manifest["results"]["classes"], strict=True):
        title = said(own["title"]).to(language)
        rows += [(Text(zh=f"{title}：候选", en=f"{title}: candidates"), found["n_candidates"]),
                 (Text(zh=f"{title}：合格候选", en=f"{title}: eligible"), found["n_eligible"]),
                 (Text(zh=f"{title}：最高得分", en=f"{title}: best score"), found["best_score"])]
    plan = manifest["results"].get("edge_plan") or {}
    rows += [(item, plan[key]) for key, item in _PLAN_ITEMS.items() if key in plan]
    for record in manifest["missing_layers"]:
        rows.append((Text(zh="缺少的图层", en="missing layer"),
                     f"{said(record['title']).to(language)}：{said(record['purpose']).to(language)}"))
    for key, heading in (("facts", Text(zh="须知", en="fact")), ("notes", Text(zh="说明", en="note"))):
        rows += [(heading, said(record).to(language)) for record in manifest[key]]
    return [{"item": item.to(language), "value": "" if value is None else str(value)} for item, value in rows]


_PLAN_ITEMS = {
    "n_facilities": Text(zh="边缘数据中心数量", en="edge centres"),
    "service_radius_m": Text(zh="服务半径（米）", en="reach, m"),
    "demand_total": Text(zh="需求总量", en="demand"), "demand_covered": Text(zh="已覆盖需求量", en="demand covered"),
    "solver_status": Text(zh="求解状态", en="solver status"), "optimality_gap": Text(zh="最优性间隙", en="gap"),
}


def _rules(scheme: Record, language: Language) -> list[Record]:
    return [{
        "site_class": said(own["title"]).to(language), "rule_id": rule["rule_id"],
        "title": said(rule["title"]).to(language), "limit_value": rule["limit"], "unit": rule["unit"],
        "strictness": rule["strictness"], "excludes": bool(rule["excludes"]),
        "is_tested": rule["rule_id"] not in _untested(own), "mitigation": rule["mitigation"],
        **_cited(scheme, rule["citation"], language), "is_assumed": bool(rule["assumed"]),
        "note": said(rule["note"]).to(language),
    } for own in scheme["classes"] for rule in own["rules"]]


def _untested(own: Record) -> set[str]:
    return {str(r["rule_id"]) if isinstance(r, dict) else str(r) for r in own["untested_rules"]}


def _criteria(scheme: Record, language: Language) -> list[Record]:
    return [{
        "site_class": said(own["title"]).to(language), "criterion_id": criterion["criterion_id"],
        "title": said(criterion["title"]).to(language), "weight": criterion["weight"], "worst": criterion["worst"],
        "best": criterion["best"], "unit": criterion["unit"], **_cited(scheme, criterion["citation"], language),
        "is_assumed": bool(criterion["assumed"]),
    } for own in scheme["classes"] for criterion in own["criteria"]]


def _cited(scheme: Record, citation: Record | None, language: Language) -> Record:
    if not citation:
        return {"document": "", "heading": "", "quote": ""}
    titles = {d["document_id"]: said(d["title"]).to(language) for d in scheme["documents"]}
    return {"document": titles.get(citation["document"], citation["document"]), "heading": citation["heading"],
            "quote": citation["quote"]}


def _source(record: Record, language: Language) -> Record:
    keys = ("layer", "source", "file", "sha256", "certainty", "datum", "crs", "licence", "attribution",
            "approval_number", "vintage")
    ledger = record["ledger"]
    return {**{key: str(record.get(key) or "") for key in keys}, "note": said(record.get("note")).to(language),
            **{f"n_{key}": int(ledger[key]) for key in ("read", "accepted", "repaired", "rejected")}}
