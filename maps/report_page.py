"""What every part of the report is written with: escaped phrases, numbered tables, figures and clauses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Literal

from gis.bilingual import Language, Text
from layers.schemas import LAYERS
from siting.citation import Citation
from siting.study import noun_of
from siting.types import StudyResult
from siting.wording import Noun, number, quantity, word

Align = Literal["text", "number", "short"]
Heading = tuple[str, Align]
"""A column's heading (HTML) and how its cells are set."""


@dataclass(slots=True)
class Page:
    """A report that is being written: it numbers what it is given, in the order in which it is given.

    Every method that takes text from outside escapes it; what is called HTML is taken as it is.
    """

    result: StudyResult
    language: Language
    clauses: dict[tuple[str, str, str], int] = field(default_factory=dict)
    """Document, heading and quote of every clause cited, with its number."""
    n_tables: int = 0
    n_figures: int = 0
    n_sections: int = 0
    noun: Noun = field(init=False)
    """What the candidates are called."""

    def __post_init__(self) -> None:
        self.noun = noun_of(self.result.pack, self.result.study)

    def say(self, zh: str, en: str) -> str:
        """Return a phrase of the report in its language, escaped; ``{one}`` and ``{many}`` name the candidates."""
        return escape(self.noun.fill(zh if self.language == "zh" else en, self.language))

    def text(self, text: Text | None) -> str:
        """Return a bilingual phrase, escaped."""
        return escape(text.to(self.language)) if text else ""

    def word(self, words: Mapping[str, Text], code: object) -> str:
        """Return the reader's word for a code, escaped."""
        return escape(word(words, str(code), self.language)) if code else ""

    def amount(self, value: float | None, unit: str) -> str:
        """Return a value with its unit, escaped."""
        return escape(quantity(value, unit, self.language))

    def layer(self, name: str) -> str:
        """Return the title of a layer."""
        return self.text(LAYERS[name].title) if name in LAYERS else escape(name)

    def cite(self, citation: Citation | None, *, assumed: bool = False) -> str:
        """Return the mark of a clause as HTML, and take the clause into the list at the report's end."""
        mark = f'<span class="assumed">{self.say("假定", "assumed")}</span>' if assumed else ""
        if citation is None or not citation.document:
            return mark
        key = (citation.document, citation.heading, citation.quote)
        place = self.clauses.setdefault(key, len(self.clauses) + 1)
        return f'<a class="cite" href="#clause-{place}">[{place}]</a>{mark}'

    def area(self, area_m2: float) -> str:
        """Write an area in the unit of the candidates (``{area_unit}`` in phrases)."""
        return f"{area_m2 / self.noun.area_unit_m2:,.2f}"

    def headings(self, *titles: str) -> list[Heading]:
        """Return column headings from ``"中文|English"``.

        A leading ``#`` sets the column as numbers, a leading ``!`` keeps its short cells on one line.
        """
        aligns: dict[str, Align] = {"#": "number", "!": "short"}
        found: list[Heading] = []
        for title in titles:
            zh, en = title.lstrip("#!").split("|")
            found.append((self.say(zh, en).replace("（", "<wbr>（"), aligns.get(title[0], "text")))
        return found

    def section(self, zh: str, en: str, *parts: str) -> str:
        """Return a numbered section as HTML."""
        self.n_sections += 1
        body = "\n".join(part for part in parts if part)
        return (f'<section id="section-{self.n_sections}">\n<h2><span class="number">{self.n_sections}</span> '
                f"{self.say(zh, en)}</h2>\n{body}\n</section>")

    def table(self, caption: str, headings: Sequence[Heading], rows: Iterable[Sequence[str]], *,
              kind: str = "") -> str:
        """Return a numbered table.

        Parameters
        ----------
        caption
            HTML.
        headings
            One per column.
        rows
            Cells as HTML.
        kind
            Further CSS class.
        """
        self.n_tables += 1
        title = self.say(f"表 {self.n_tables}", f"Table {self.n_tables}")
        head = "".join(f'<th class="{align}">{name}</th>' for name, align in headings)
        body = "\n".join("<tr>" + "".join(f'<td class="{align}">{cell}</td>' for cell, (_, align)
                                          in zip(row, headings, strict=True)) + "</tr>" for row in rows)
        # The caption is a row of the head: on paper it then stays with the table, and returns on its next page.
        label = f'<tr><th class="caption" colspan="{len(headings)}"><b>{title}</b> {caption}</th></tr>'
        return (f'<table class="{kind}">\n<thead>{label}<tr>{head}</tr></thead>\n'
                f"<tbody>\n{body}\n</tbody></table>")

    def figure(self, caption: str, svg: str, legend: str) -> str:
        """Return a numbered figure; caption, drawing and legend are HTML."""
        self.n_figures += 1
        title = self.say(f"图 {self.n_figures}", f"Figure {self.n_figures}")
        return (f'<figure>\n{svg}\n<div class="legend">{legend}</div>\n'
                f"<figcaption><b>{title}</b> {caption}</figcaption></figure>")

    @property
    def comma(self) -> str:
        """Return what separates the items of a list."""
        return "、" if self.language == "zh" else ", "

    @property
    def semicolon(self) -> str:
        """Return what separates longer items of a list."""
        return "；" if self.language == "zh" else "; "

    def bracketed(self, html: str) -> str:
        """Return HTML in the brackets of the report's language."""
        return f"（{html}）" if self.language == "zh" else f" ({html})"

    def paragraph(self, zh: str, en: str, kind: str = "") -> str:
        """Return an escaped paragraph."""
        return f'<p class="{kind}">{self.say(zh, en)}</p>' if kind else f"<p>{self.say(zh, en)}</p>"


def items(parts: Iterable[str]) -> str:
    """Return a list of HTML parts."""
    found = "".join(f"<li>{part}</li>" for part in parts)
    return f"<ul>{found}</ul>" if found else ""


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return a two-column list of terms and values, both HTML."""
    rows = "".join(f"<tr><th>{term}</th><td>{value}</td></tr>" for term, value in pairs)
    return f'<table class="facts"><tbody>{rows}</tbody></table>'


def score_text(score: float | None) -> str:
    """Write a score with four decimals; a dash where there is none."""
    return "–" if score is None else f"{score:.4f}"


def hectares(area_m2: float) -> str:
    """Write an area in hectares with two decimals."""
    return f"{area_m2 / 1e4:,.2f}"


def whole(value: float) -> str:
    """Write a count."""
    return number(float(value), 0)
