"""The report's part on clusters: who may stand in each hub region, who follows, and whether the two can be parted."""

from __future__ import annotations

from html import escape

from maps.report_page import Page, score_text
from siting.clusters import ClusterSite, RegionShortlist
from siting.trust_draws import WEIGHT_SHARE


def clusters(page: Page) -> str:
    """Return the clusters of every hub region, the best first; empty where the pack has no regions."""
    plan = page.result.cluster_plan
    if plan is None:
        return ""
    title = page.text(page.result.pack.site_class(plan.class_id).title)
    headings = page.headings("枢纽区域|Hub region", "#至多（个）|At most",
                             "入围{one}（得分；区域内名次区间）|Listed (score; ranks in the region)", "候补|Runner-up",
                             "!能否区分|Separable", "依据|Clause")
    return page.section(
        "集群入围名单", "Shortlist of clusters",
        page.paragraph(
            f"每个区域按得分取前列合格{{one}}，不超过条文上限；相邻{{one}}视为同一集群，只列其一。名次区间为 "
            f"{plan.n_draws} 次抽样（权重 ±{WEIGHT_SHARE:.0%}、已知位置误差）中九成情形下的区域内名次；"
            "定性等级的误差未抽样，实际区间更宽。名单供比选，不代替批复。",
            f"In each region the best eligible {{many}} are listed, never more than the clause allows; {{many}} that "
            f"touch are one cluster, of which the best is listed. Rank intervals hold in nine of ten of {plan.n_draws} "
            f"draws (weights ±{WEIGHT_SHARE:.0%}, known position errors) within the region; levels that are judgements "
            "are not drawn, and true intervals are wider. The list is for comparison and replaces no approval."),
        page.table(title + page.say("：各区域的集群", ": clusters by region"), headings,
                   [_row(page, found) for found in plan.regions], kind="wide"),
        _held_against(page, plan.regions))


def _row(page: Page, found: RegionShortlist) -> list[str]:
    separated = {None: "–", True: page.say("可区分", "yes"), False: page.say("不可区分", "no")}[found.is_separated]
    return [page.text(found.region.title), str(found.region.max_clusters),
            "<br>".join(_site(page, site) for site in found.chosen) or page.say("没有合格{one}", "no eligible {one}"),
            _site(page, found.runner_up) if found.runner_up else "–", separated,
            page.cite(found.region.citation, assumed=bool(found.region.assumed))]


def _site(page: Page, site: ClusterSite) -> str:
    interval = f"{site.rank_low}–{site.rank_high}" if site.rank_low < site.rank_high else str(site.rank_low)
    return page.text(site.name) + page.bracketed(f"{score_text(site.score)}{page.semicolon}{escape(interval)}")


def _held_against(page: Page, regions: tuple[RegionShortlist, ...]) -> str:
    """Say where the hubs that the pack names stand on the list: they take no part in the score."""
    rows = [[page.text(hub.title), page.text(hub.place),
             f"{hub.region_rank} / {found.n_eligible}" if hub.region_rank else page.say("不合格", "not eligible"),
             page.say("是", "yes") if hub.is_met else page.say("否", "no")]
            for found in regions for hub in found.named_hubs]
    if not rows:
        return ""
    headings = page.headings("枢纽或集群|Hub or cluster", "所在{one}|Its {one}", "#区域内名次|Rank in the region",
                             "!与入围集群相同或相邻|Same as or next to one listed")
    return page.table(page.say("对照：规则包所列枢纽与集群的位置在名单中的名次（位置凭常识）",
                               "Held against: where the hubs and clusters that the pack names stand on the list "
                               "(positions from general knowledge)"), headings, rows)
