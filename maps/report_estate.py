"""The report's part on existing data centres: what each clause makes of them, and the lists that it asks for."""

from __future__ import annotations

from html import escape

import pandas as pd

from maps.report_page import Page, whole
from siting.estate import DECISION_WORDS, EstatePlan
from siting.pack import RetrofitRule
from siting.wording import CERTAINTY_WORDS

_STATUSES = ("listed", "undecided")


def estate(page: Page) -> str:
    """Return what must become of each existing data centre."""
    plan = page.result.estate_plan
    if plan is None or plan.centres.empty:
        return ""
    return page.section("现有数据中心", "Existing data centres", _statement(page, plan), _totals(page, plan),
                        _centres(page, plan), _lists(page, plan))


def _statement(page: Page, plan: EstatePlan) -> str:
    n_open = int((plan.centres["decision"] == "undecided").sum())
    zh, en = f"截至 {plan.on.isoformat()} 判断期限。", f"Deadlines are judged as of {plan.on.isoformat()}."
    if n_open:
        zh += f"{n_open} 个数据中心缺少判定所需的数据，不作推测，缺什么见表。"
        en += (f" {n_open} data centres lack what a decision needs; nothing is guessed, and the table says what is "
               "missing.")
    return page.paragraph(zh, en)


def _totals(page: Page, plan: EstatePlan) -> str:
    headings = page.headings("处置|Decision", "#数量（个）|Number", "#已知机架（架）|Racks known",
                             "#可释放机架（架）|Racks released", "#可释放 IT 负荷（MW）|IT load released (MW)",
                             "#可释放设施负荷（MW）|Site load released (MW)")
    rows = [[page.word(DECISION_WORDS, r["decision"]), whole(r["n_centres"]), whole(r["racks"]),
             whole(r["racks_released"]), f"{r['it_load_released_kw'] / 1000:,.2f}",
             f"{r['site_load_released_kw'] / 1000:,.2f}"]
            for r in plan.totals.to_dict("records") if r["n_centres"]]
    return page.table(page.say("处置汇总（只计已知数值）", "Decisions in sum (known values only)"), headings, rows)


def _centres(page: Page, plan: EstatePlan) -> str:
    headings = page.headings("名称|Name", "处置|Decision", "依据|Clause", "#PUE|PUE", "#目标|Target", "!期限|Deadline",
                             "理由|Reasons", "!可信度|Certainty")
    rules = {r.rule_id: r for r in page.result.pack.retrofit_rules}
    rows = []
    for r in plan.centres.drop(columns="geometry").to_dict("records"):
        rule = rules.get(str(r["rule_id"]))
        name = r["data_centre_id"] if pd.isna(r["name"]) else r["name"]
        deadline = escape(str(r["deadline"] or "–"))
        if r["is_overdue"]:
            deadline += f'<br><span class="assumed">{page.say("已逾期", "overdue")}</span>'
        if r["is_voluntary"]:
            deadline += f"<br><small>{page.say('鼓励', 'supported, not forced')}</small>"
        rows.append([escape(str(name)), page.word(DECISION_WORDS, r["decision"]), _clause(page, rule),
                     _figure(r["pue"]), _figure(r["pue_target"]), deadline,
                     escape(str(r["reasons_zh" if page.language == "zh" else "reasons_en"])),
                     page.word(CERTAINTY_WORDS, r["certainty"])])
    return page.table(page.say("逐个处置意见", "Decision on each"), headings, rows, kind="wide")


def _clause(page: Page, rule: RetrofitRule | None) -> str:
    return "–" if rule is None else page.text(rule.title) + page.cite(rule.citation)


def _figure(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:g}"


def _lists(page: Page, plan: EstatePlan) -> str:
    if plan.lists.empty:
        return ""
    headings = page.headings("名单|List", "依据|Clause", "列入|Listed", "缺数据待核|Data missing")
    rules = {r.rule_id: r for r in page.result.pack.retrofit_rules}
    rows = []
    for rule_id, group in plan.lists.groupby("rule_id", sort=False):
        rule = rules.get(str(rule_id))
        title = page.text(rule.title) if rule else escape(str(rule_id))
        cells = []
        for status in _STATUSES:
            own = group[group["status"] == status]
            names = [str(i if pd.isna(n) else n) for i, n in zip(own["data_centre_id"], own["name"], strict=True)]
            cells.append(escape(page.comma.join(names)) or "–")
        rows.append([title, page.cite(rule.citation) if rule else "–", *cells])
    return page.table(page.say("规划要求的名单", "Lists that the plan asks for"), headings, rows, kind="wide")
