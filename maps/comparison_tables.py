"""The tables of the page of two studies, as HTML: everything from data is escaped here."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from gis.bilingual import Language, Text
from maps.comparison_phrases import PHRASES
from siting.comparison import CHANGE_WORDS, Change, ClassComparison, Comparison
from siting.comparison_differences import Difference

TOP_KINDS = ("entered", "left", "up", "down", "same")
MOST_OUTSIDE = 200
"""Changes outside the top list that the page lists; the CSV holds all."""

_STRICTNESS = {"shall": Text(zh="必须", en="shall"), "should": Text(zh="宜", en="should")}
_GROUPS = ("setting", "weight", "rule", "mitigation", "input", "edge", "capacity")


def tables(comparison: Comparison, language: Language) -> str:
    """Return the tables of changes, one section for each class, and those of differences."""
    sections = [_class(own, language) for own in comparison.classes]
    titles = {own.class_id: own.title for own in comparison.classes}
    sections += [_differences(group, comparison.differences, titles, language) for group in _GROUPS]
    return "\n".join(part for part in sections if part)


def _say(key: str, language: Language, **fill: object) -> str:
    text = PHRASES[key].to(language)
    for name, value in fill.items():
        text = text.replace("{" + name + "}", str(value))
    return escape(text)


def _class(own: ClassComparison, language: Language) -> str:
    top = [c for c in own.changes if c.kind in TOP_KINDS]
    outside = [c for c in own.changes if c.kind not in TOP_KINDS]
    counts = _say("excluded_count", language, before=f"{own.n_eligible_before:,}", after=f"{own.n_eligible_after:,}",
                  gained=f"{own.n_now_eligible:,}", lost=f"{own.n_now_excluded:,}")
    parts = [f"<h2>{_say('changes', language)} · {escape(own.title.to(language))}</h2><p>{counts}</p>",
             _changes(top, language)]
    if outside:
        parts += [f"<h3>{_say('outside', language)}</h3>", _changes(outside[:MOST_OUTSIDE], language)]
        if len(outside) > MOST_OUTSIDE:
            parts.append(f"<p>{_say('outside_more', language, n=f'{len(outside) - MOST_OUTSIDE:,}')}</p>")
    return f'<section data-class="{escape(own.class_id)}">{"".join(parts)}</section>'


def _changes(changes: Sequence[Change], language: Language) -> str:
    if not changes:
        return f"<p>{_say('nothing', language)}</p>"
    heads = [_say(key, language) for key in ("parcel", "change", "rank", "score", "why")]
    rows = [[f'<button type="button" data-parcel="{escape(c.parcel_id)}">{escape(c.parcel_id)}</button>',
             f'<span class="kind {c.kind}">{escape(CHANGE_WORDS[c.kind].to(language))}</span>',
             f"{_rank(c.rank_before)} → {_rank(c.rank_after)}", f"{_score(c.score_before)} → {_score(c.score_after)}",
             escape(c.cause.text.to(language))] for c in changes]
    return _table(heads, rows, "changes")


def _rank(rank: int | None) -> str:
    return "–" if rank is None else f"{rank:,}"


def _score(score: float | None) -> str:
    return "–" if score is None else f"{score:.4f}"


def _differences(group: str, found: Sequence[Difference], titles: dict[str, Text], language: Language) -> str:
    own = [d for d in found if d.group == group]
    if not own:
        return ""
    heads = [_say(key, language) for key in ("item", "before", "after")]
    rows = [[escape(d.title.to(language)) + (f" <small>{escape(titles[d.class_id].to(language))}</small>"
                                             if d.class_id in titles else ""),
             escape(_worded(d, d.before, language)), escape(_worded(d, d.after, language))] for d in own]
    return f"<section><h2>{_say(f'group_{group}', language)}</h2>{_table(heads, rows, 'differences')}</section>"


def _worded(difference: Difference, cell: str, language: Language) -> str:
    """Say how strict a rule is in the reader's language; everything else stands as it is."""
    strictness, _, rest = cell.partition(" ")
    if difference.group != "rule" or strictness not in _STRICTNESS:
        return cell
    return f"{_STRICTNESS[strictness].to(language)} {rest}".strip()


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], kind: str) -> str:
    top = "".join(f'<th scope="col">{head}</th>' for head in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table class="{kind}"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
