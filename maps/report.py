"""The report of a study: one HTML file that explains itself, for the screen and for filing on paper.

It holds no script and fetches nothing; the same study gives the same bytes.
"""

from __future__ import annotations

from importlib import resources

from gis.bilingual import Language
from maps import (
    report_basis,
    report_capacity,
    report_clusters,
    report_edge,
    report_end,
    report_estate,
    report_front,
    report_layout,
    report_network,
    report_sites,
    report_trust,
)
from maps.report_page import Page
from siting.types import StudyResult

STYLE_FILE = "report_style.css"


def render_report(result: StudyResult, *, language: Language) -> str:
    """Write the report of a study.

    Parameters
    ----------
    result
        The study.
    language
        Language of the report; clauses stay in the language of their document.

    Returns
    -------
    A whole HTML document, style and figures inside.
    """
    page = Page(result, language)
    parts = [
        report_front.title_block(page), report_front.summary(page), report_front.request(page),
        report_front.method(page), report_basis.data(page), report_basis.zones(page), report_sites.eligibility(page),
        report_sites.top_sites(page), report_clusters.clusters(page), report_edge.edge_centres(page),
        report_capacity.capacity(page),
        report_layout.site_layouts(page), report_estate.estate(page), report_network.network(page),
        report_trust.trust(page),
        report_end.not_scored(page),
        report_end.limits(page), report_end.clauses(page),
    ]
    lang = "zh-CN" if language == "zh" else "en"
    body = "\n".join(part for part in parts if part)
    images = "; img-src data:" if "data:image/png" in body else ""
    return (f'<!DOCTYPE html>\n<html lang="{lang}">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            # Even a mistake in escaping could then run nothing and call no one.
            "<meta http-equiv=\"Content-Security-Policy\" "
            f"content=\"default-src 'none'; style-src 'unsafe-inline'{images}\">\n"
            f"<title>{report_front.heading(result, language)}</title>\n"
            f"<style>\n{_style()}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
            "</body>\n</html>\n")


def _style() -> str:
    return resources.files("maps").joinpath(STYLE_FILE).read_text(encoding="utf-8")
