"""Writes two studies side by side: a page with two linked maps, and what changed as CSV and GeoJSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from gis.bilingual import Language, Text
from gis.progress import Progress, silent
from layers.exports.files import write_text
from layers.exports.geojson import write_geojson
from layers.exports.tables import write_csv
from layers.schemas import LAYERS
from maps import styles
from maps._packing_block import pack_block
from maps.comparison_phrases import PHRASES, phrases_in
from maps.comparison_tables import TOP_KINDS, tables
from maps.map_layer import MapLayer
from maps.map_layers import pack_layer
from maps.offline_page import inline_assets, seal
from maps.packed_geometry import pack_geometry
from siting.comparison import CHANGE_WORDS, Change, Comparison
from siting.finished_study import WGS84, FinishedStudy
from siting.wording import CERTAINTY_WORDS, crs_label, word

PAGE_FILE, TABLE_FILE, LAYER_FILE = "compare.html", "changes.csv", "changes.geojson"
MOST_DRAWN = 150_000
"""More parcels than that are not all drawn."""

SHARED_SCRIPTS = ("blocks.js", "shapes.js", "canvas.js", "dom.js", "vectors.js", "labels.js")
"""Browser code of the map that this page uses too."""

CHANGE_COLOURS = {"entered": "#009e73", "left": "#d55e00", "up": "#56b4e9", "down": "#e69f00", "same": "#555555",
                  "now_eligible": "#009e73", "now_excluded": "#d55e00", "added": "#0072b2", "removed": "#cc79a7"}
"""Okabe and Ito's palette: told apart by every eye."""

CHANGE_COLUMNS = ["change_id", "site_class", "parcel_id", "change", "rank_before", "rank_after", "score_before",
                  "score_after", "cause", "cause_keys", "why_zh", "why_en"]
_BLOCK = '<script type="application/octet-stream" id="suanzhi-{name}" data-kind="{kind}">{text}</script>\n'
_SIDES = ("before", "after")
_CDN = "https://cdn.jsdelivr.net/npm/leaflet@1.9.4/dist/leaflet"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenComparison:
    """Where the files of a comparison are."""

    page_path: Path
    table_path: Path
    layer_path: Path


def write_comparison(comparison: Comparison, out_dir: Path | str, *, language: Language = "zh",
                     progress: Progress = silent) -> WrittenComparison:
    """Write a comparison: ``compare.html``, ``changes.csv`` and ``changes.geojson``.

    Raises
    ------
    ExportError
        A file cannot be written.
    DataError
        A layer of a study is not the one that its manifest describes.
    """
    folder, step = Path(out_dir), Text(zh="写出比较结果", en="writing the comparison")
    progress(step, 0, 3)
    shapes = _shapes(comparison)
    page = write_text(folder / PAGE_FILE, _render(comparison, shapes, language))
    progress(step, 1, 3)
    table = change_table(comparison)
    csv = write_csv(table, folder / TABLE_FILE)
    progress(step, 2, 3)
    # A parcel that is in both studies has the shape of the later one.
    known = {key: shape for own in shapes for key, shape in zip(own.index, own.to_numpy(), strict=True)}
    frame = gpd.GeoDataFrame(table, geometry=gpd.GeoSeries(
        [known.get(key) for key in table["parcel_id"]], index=table.index, crs=WGS84), crs=WGS84)
    layer = write_geojson(frame, folder / LAYER_FILE, id_column="change_id", members={"name": "changes"})
    progress(step, 3, 3)
    return WrittenComparison(page_path=page, table_path=csv, layer_path=layer)


def change_table(comparison: Comparison) -> pd.DataFrame:
    """Return every change of every class, a row each."""
    rows = [{"change_id": f"{c.class_id}:{c.parcel_id}", "site_class": c.class_id, "parcel_id": c.parcel_id,
             "change": c.kind, "rank_before": c.rank_before, "rank_after": c.rank_after,
             "score_before": c.score_before, "score_after": c.score_after, "cause": c.cause.kind,
             "cause_keys": "; ".join(c.cause.keys), "why_zh": c.cause.text.zh, "why_en": c.cause.text.en}
            for own in comparison.classes for c in own.changes]
    table = pd.DataFrame(rows, columns=CHANGE_COLUMNS)
    return table.astype({"rank_before": "Int64", "rank_after": "Int64", "score_before": float, "score_after": float})


def _shapes(comparison: Comparison) -> list[gpd.GeoSeries]:
    """Read the shapes of both studies by id; of very many parcels those that are told of."""
    studies = (comparison.before, comparison.after)
    if not _is_partial(comparison):
        return [study.shapes() for study in studies]
    wanted = {c.parcel_id for own in comparison.classes for c in own.changes}
    return [study.shapes(wanted) for study in studies]


def _is_partial(comparison: Comparison) -> bool:
    return max(len(study.verdicts) for study in (comparison.before, comparison.after)) > MOST_DRAWN


def render_comparison(comparison: Comparison, *, language: Language = "zh") -> str:
    """Render the page of two studies.

    Returns
    -------
    One HTML page with everything inside: it asks the network for nothing.

    Raises
    ------
    ExportError
        The page would need something from the network.
    """
    return _render(comparison, _shapes(comparison), language)


def _render(comparison: Comparison, shapes: list[gpd.GeoSeries], language: Language) -> str:
    data, arrays = _parcels(comparison, shapes, language)
    blocks = [_BLOCK.format(name="parcels", kind="parcels", text=pack_block({}, arrays))]
    for side in _SIDES:
        study: FinishedStudy = getattr(comparison, side)
        blocks += [_BLOCK.format(name=f"{side}-{layer.name}", kind=side, text=pack_layer(layer, language))
                   for layer in _layers(study)]
    blocks.append(_BLOCK.format(name="study", kind="study", text=pack_block(data, {})))
    return seal(inline_assets(_page(comparison, "".join(blocks), language)))


def _page(comparison: Comparison, blocks: str, language: Language) -> str:
    say = phrases_in(language)
    names = [escape(getattr(comparison, side).name) for side in _SIDES]
    title = f"{escape(say['product'])} · {escape(say['title'])} · {names[0]} – {names[1]}"
    maps = "".join(f'<section class="side" aria-label="{escape(say[side])}"><h2>{escape(say[side])} <b>{name}</b></h2>'
                   f'<div class="view" id="map-{side}"></div></section>'
                   for side, name in zip(_SIDES, names, strict=True))
    return f"""<!DOCTYPE html>
<html lang="{'zh-CN' if language == 'zh' else 'en'}">
<head>
<title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="{_CDN}.css">
<script src="{_CDN}.js"></script>
<style>
{_text('panel', 'page.css')}
{_text('compare_panel', 'compare.css')}</style>
<script>
{''.join(_text('panel', name) for name in SHARED_SCRIPTS)}
{_text('compare_panel', 'compare.js')}</script>
</head>
<body class="comparison">
<header class="bar"><h1><b>{escape(say['product'])}</b><span>{escape(say['title'])}</span></h1></header>
<main>
<div class="sides">{maps}</div>
<div class="keys"></div>
<p class="fine">{escape(say['linked'])} {escape(_statement(comparison, language))}</p>
<div class="detail" aria-live="polite" hidden></div>
<div class="tables">
{tables(comparison, language)}
</div>
</main>
{blocks}
<script>suanzhiPanel.startComparison();</script>
</body>
</html>
"""


def _text(folder: str, name: str) -> str:
    return (files("maps") / folder / name).read_text(encoding="utf-8")


def _statement(comparison: Comparison, language: Language) -> str:
    """Say how far the data of both studies may be trusted, and whose the boundaries are."""
    inputs = [entry for side in _SIDES for entry in getattr(comparison, side).manifest["inputs"]]
    kinds = [kind for kind in CERTAINTY_WORDS if any(entry["certainty"] == kind for entry in inputs)]
    joined = ("、" if language == "zh" else ", ").join(word(CERTAINTY_WORDS, kind, language) for kind in kinds)
    text = PHRASES["data_statement"].to(language)
    text = text.replace("{words}", joined).replace(
        "{crs}", crs_label(comparison.after.metric_crs).to(language))
    named = (" ".join(filter(None, (entry["attribution"], entry["approval_number"]))) for entry in inputs)
    return " ".join([text, *(source for source in dict.fromkeys(named) if source)])


def _layers(study: FinishedStudy) -> Iterator[MapLayer]:
    """Give the units of a study, the boundary lines that its map must show, and its edge centres and campuses."""
    units = study.layer("units")
    if units is not None:
        titles = {u["unit_id"]: Text(zh=u["title"]["zh"], en=u["title"]["en"])
                  for u in study.manifest["scheme"]["units"]}
        named = units.assign(name=[titles.get(key, Text(zh=str(key), en=str(key))) for key in units["unit_id"]])
        yield MapLayer(name="units", title=Text(zh="政策单元", en="Units"), style=styles.LAYER_STYLES["districts"],
                       frame=named)
    lines = study.layer("boundary_lines")
    if lines is not None:
        yield MapLayer(name="boundary_lines", title=LAYERS["boundary_lines"].title,
                       style=styles.LAYER_STYLES["boundary_lines"], frame=lines)
    for name, key, style in (("edge_centres", "layer_edge", styles.COMPARED_EDGE),
                             ("capacity_sites", "layer_capacity", styles.CAPACITY_SITES)):
        frame = study.layer(name)
        if frame is not None:
            points = frame.set_geometry(frame.geometry.representative_point())
            yield MapLayer(name=name, title=PHRASES[key], style=style, frame=points, name_column="")


def _parcels(comparison: Comparison, read: list[gpd.GeoSeries], language: Language
             ) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return what the page must know, and the parcels of both studies: shapes, scores and changes by class."""
    studies = (comparison.before, comparison.after)
    ids, shapes, where = _features(read)
    arrays = pack_geometry(gpd.GeoSeries(shapes, crs=WGS84))
    changes = []
    for k, own in enumerate(comparison.classes):
        for side, study in enumerate(studies):
            arrays[f"score_{side}_{k}"] = _scores(study, own.class_id, ids, where[side])
        changes.append({c.parcel_id: _change(c, language) for c in own.changes})
    scored = [arrays[f"score_{side}_0"] for side in (0, 1)]
    held = np.concatenate([s[s >= 0] for s in scored]).astype(float)
    low, high = (float(np.quantile(held, q)) for q in (0.05, 0.95)) if len(held) else (0.0, 1.0)
    data = {"language": language, "phrases": phrases_in(language), "ids": ids, "is_partial": _is_partial(comparison),
            "breaks": styles.score_breaks(low, high), "ramp": list(styles.SCORE_RAMP),
            "classes": [{"id": own.class_id, "title": own.title.to(language)} for own in comparison.classes],
            "changes": changes, "kinds": [{"key": key, "title": text.to(language), "colour": CHANGE_COLOURS[key],
                                           "is_top": key in TOP_KINDS} for key, text in CHANGE_WORDS.items()]}
    return data, arrays


def _features(shapes: list[gpd.GeoSeries]) -> tuple[list[str], NDArray[np.object_], list[NDArray[np.uint8]]]:
    """Put the parcels of both studies together: one feature where id and shape agree, else one for each study."""
    keys = [list(zip(own.index, shapely.to_wkb(own.to_numpy()), strict=True)) for own in shapes]
    order = {key: i for i, key in enumerate(dict.fromkeys([*keys[1], *keys[0]]))}
    ids = [str(key) for key, _ in order]
    found = np.empty(len(order), dtype=object)
    where = [np.zeros(len(order), dtype=np.uint8) for _ in shapes]
    for side, own in enumerate(shapes):
        rows = np.array([order[key] for key in keys[side]], dtype=np.int64)
        found[rows] = own.to_numpy()
        where[side][rows] = 1
    return ids, found, where


def _scores(study: FinishedStudy, class_id: str, ids: list[str], there: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return scores by feature: -1 where excluded, -2 where the study has no such candidate."""
    own = study.verdicts[f"{class_id}_score"]
    own = own[~own.index.duplicated()].reindex(ids)
    scores = own.to_numpy(dtype=float)
    return np.where(there == 0, -2.0, np.where(np.isnan(scores), -1.0, scores)).astype(np.float32)


def _change(change: Change, language: Language) -> dict[str, Any]:
    return {"kind": change.kind, "rank": [change.rank_before, change.rank_after],
            "score": [change.score_before, change.score_after], "why": change.cause.text.to(language)}
