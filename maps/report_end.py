"""The report's last parts: what is not scored, limits, and the clauses cited."""

from __future__ import annotations

from html import escape

from maps.report_page import Page, items
from siting.wording import CERTAINTY_WORDS


def not_scored(page: Page) -> str:
    """Return what is reported and not scored."""
    if not page.result.facts:
        return ""
    return page.section("只报告、不计分的事项", "Reported, not scored", items(page.text(f) for f in page.result.facts))


def limits(page: Page) -> str:
    """Return how far the findings may be trusted."""
    result = page.result
    standing = [
        page.say("直线距离不等于线路长度；供电连线仅示意归属，不是路径方案。",
                 "A straight line is no route: feeds show which substation, not where the cable runs."),
        page.say("变电站可用容量、光缆芯数等须由供电公司与运营商书面确认。",
                 "Headroom of substations and spare fibre must be confirmed by their operators in writing."),
        page.say("得分用于同类{one}的比较，不是绝对优劣；标注“假定”的刻度与权重属于判断，可在方案文件中修改。",
                 "Scores compare {many} of one class; scales and weights marked assumed are a judgement and can be "
                 "changed in the study file."),
    ]
    notes = [page.text(note) for note in result.pack.notes]
    documents = [f"<b>{page.text(d.title)}</b> [{escape(d.document_id)}]{'：' if page.language == 'zh' else ': '}"
                 f"{page.text(d.status)}" for d in result.pack.documents]
    layers = [f"<b>{page.layer(p.layer)}</b> ({page.word(CERTAINTY_WORDS, p.certainty)})"
              f"{'：' if page.language == 'zh' else ': '}{page.text(p.note)}"
              for p in result.city_layers.provenance if p.note and p.certainty != "real"]
    return page.section(
        "局限", "Limits", items([*standing, *notes]),
        f"<h3>{page.say('依据文件的效力', 'Standing of the documents')}</h3>", items(documents),
        f"<h3>{page.say('非实测图层', 'Layers that are not surveyed')}</h3>" + items(dict.fromkeys(layers))
        if layers else "")


def clauses(page: Page) -> str:
    """Return every clause cited, in the order of its number; to be written last."""
    titles = {d.document_id: page.text(d.title) for d in page.result.pack.documents}
    rows = []
    for (document, heading, quote), place in page.clauses.items():
        shown = f"<q>{escape(quote)}</q>" if quote else page.say("（无原文摘录）", "(no excerpt)")
        rows.append([f'<span id="clause-{place}">[{place}]</span>', titles.get(document, escape(document)),
                     escape(heading), shown])
    headings = page.headings("编号|No.", "文件|Document", "条目|Heading", "原文|Text")
    caption = page.say("本报告引用的全部条文", "Every clause that this report cites")
    return page.section("引用条文", "Clauses cited", page.table(caption, headings, rows, kind="clauses"))
