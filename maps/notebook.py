"""A study in a notebook: its map, and the best candidates in a table."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from gis.bilingual import Language, Text
from maps.folium_map import render_map
from siting.tables import top_candidates
from siting.types import StudyResult

_HEADS = {
    "rank": Text(zh="名次", en="Rank"), "parcel_id": Text(zh="地块", en="Parcel"), "score": Text(zh="得分", en="Score"),
    "unit": Text(zh="单元", en="Unit"), "zone": Text(zh="政策分区", en="Zone"), "why": Text(zh="优势", en="Strengths"),
    "weakest": Text(zh="短板", en="Weakness"),
}
_TITLE = Text(zh="推荐地块", en="Best candidates")
_NUMBERS = ("rank", "score")


@dataclass(frozen=True, slots=True)
class ShownStudy:
    """What a notebook shows of a study."""

    html: str
    """Markup for an output cell; all text of layers in it is escaped."""

    def _repr_html_(self) -> str:
        return self.html


def show(result: StudyResult, *, language: Language = "zh", height_px: int = 640, n_best: int = 10) -> ShownStudy:
    """Show the map of a study and its best candidates.

    Parameters
    ----------
    result
        A finished study.
    language
        Language of the map and the table.
    height_px
        Height of the map.
    n_best
        Candidates listed for each class, at most as many as the study's top list holds.

    Returns
    -------
    An object that Jupyter shows as HTML. The map stands in a frame of its own that cannot reach the notebook.
    """
    page = escape(render_map(result, language=language), quote=True)
    frame = (f'<iframe srcdoc="{page}" sandbox="allow-scripts allow-downloads allow-modals" width="100%" '
             f'height="{int(height_px)}" style="border:1px solid #ccc" '
             f'title="{escape(result.pack.title.to(language))}"></iframe>')
    return ShownStudy(frame + best_table(result, language=language, n_best=n_best))


def best_table(result: StudyResult, *, language: Language = "zh", n_best: int = 10) -> str:
    """Return the best candidates of each class as an HTML table."""
    table = top_candidates(result, language=language)
    parts = []
    for scores in result.scores:
        own = table[table["site_class"] == scores.site_class.class_id].head(n_best)
        heads = "".join(f'<th scope="col" style="{_align(key)}">{escape(text.to(language))}</th>'
                        for key, text in _HEADS.items())
        rows = "".join(f"<tr>{_cells(row, language)}</tr>" for row in own.drop(columns="geometry").to_dict("records"))
        caption = f"{_TITLE.to(language)} · {scores.site_class.title.to(language)}"
        parts.append(f'<table><caption style="text-align:left"><b>{escape(caption)}</b></caption>'
                     f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>")
    return "".join(parts)


def _cells(row: dict[str, object], language: Language) -> str:
    cells = []
    for key in _HEADS:
        value = row[f"{key}_{language}" if key in ("why", "weakest") else key]
        text = f"{value:.4f}" if key == "score" and isinstance(value, float) else str(value)
        cells.append(f'<td style="{_align(key)}">{escape(text)}</td>')
    return "".join(cells)


def _align(key: str) -> str:
    return f"text-align:{'right' if key in _NUMBERS else 'left'}"
