"""The interactive map of a finished study: one page that opens from a file, without network.

folium gives the frame and the Leaflet map; every layer is a packed block (``maps.packed_geometry``) that the browser
code in ``maps/panel`` unpacks and draws on canvases. Whatever comes from a layer travels inside such a block, gzipped
and in base64, so that no name can end an element or run; the browser puts it on the page as text only.
"""

from __future__ import annotations

from importlib.resources import files

from gis.bilingual import Language, Text
from gis.progress import Progress, silent
from maps._packing_block import pack_block
from maps.map_basemaps import PICTURE_HOSTS
from maps.map_layers import map_layers, pack_layer
from maps.map_phrases import PHRASES
from maps.map_study import study_data
from maps.offline_page import inline_assets, seal
from maps.packed_parcels import pack_parcels
from siting.types import StudyResult

PANEL_SCRIPTS = ("blocks.js", "shapes.js", "canvas.js", "dom.js", "ids.js", "scores.js", "rules.js", "parcels.js",
                 "raster.js", "paint.js", "vectors.js", "labels.js", "feeds.js", "explain.js", "compare.js",
                 "markers.js", "legend.js", "weights.js", "weight_card.js", "filters.js", "filter_card.js",
                 "export.js", "coordinates.js", "draw.js", "edge_curve.js", "capacity.js", "basemap.js", "print.js",
                 "panels.js", "search.js", "start.js")
"""Browser code, in the order in which it is loaded."""

PANEL_STYLES = ("page.css",)

_PACKING = Text(zh="制作地图", en="drawing the map")
_BLOCK = '<script type="application/octet-stream" id="suanzhi-{name}" data-kind="{kind}">{text}</script>\n'
_PARCELS = _BLOCK.replace("{name}", "parcels").replace("{kind}", "parcels")
_LANG = {"zh": "zh-CN", "en": "en"}


def render_map(result: StudyResult, *, language: Language = "zh", progress: Progress = silent) -> str:
    """Render the map of a study.

    Parameters
    ----------
    result
        A finished study; frames in the metric CRS of the run.
    language
        Language of the page; names of layers stand in the other language beside.
    progress
        Told of each layer that is packed.

    Returns
    -------
    One HTML page with everything inside: it asks the network for nothing unless its reader chooses a basemap. Equal
    studies give equal pages.

    Raises
    ------
    ExportError
        The page would need something from the network.
    UsageError
        A key is to be written into the page, and there is none (``maps.map_basemaps``).
    """
    from maps.map_frame import PagePart, map_name, new_map, render_page

    data = study_data(result, language)
    frame = new_map(data["bounds"])
    frame.add_child(PagePart("panel", header=_panel_header()))
    layers = tuple(map_layers(result))
    total = len(layers) + 2
    for n, layer in enumerate(layers):
        progress(_PACKING, n, total)
        frame.add_child(PagePart(f"layer_{n}", html=_BLOCK.format(
            name=f"layer-{n}", kind="layer", text=pack_layer(layer, language))))
    progress(_PACKING, len(layers), total)
    # The parcels may be tens of megabytes: they enter the finished page, which is read through several times before.
    frame.add_child(PagePart("parcels", html=_PARCELS.format(text="")))
    progress(_PACKING, len(layers) + 1, total)
    frame.add_child(PagePart("study", html=_BLOCK.format(name="study", kind="study", text=pack_block(data, {})),
                             script=f"suanzhiPanel.start({map_name(frame)});"))
    title = f"{PHRASES['product'].to(language)} · {data['title']} · {data['study']}"
    page = seal(inline_assets(render_page(frame, title=title, language=_LANG[language])), PICTURE_HOSTS)
    page = page.replace(_PARCELS.format(text=""), _PARCELS.format(text=pack_parcels(result, language)), 1)
    progress(_PACKING, total, total)
    return page


def _panel_header() -> str:
    """Return the browser code of the page: styles and scripts of ``maps/panel``."""
    folder = files("maps") / "panel"
    css = "\n".join((folder / name).read_text(encoding="utf-8") for name in PANEL_STYLES)
    code = "\n".join((folder / name).read_text(encoding="utf-8") for name in PANEL_SCRIPTS)
    return f"<style>\n{css}</style>\n<script>\n{code}</script>\n"
