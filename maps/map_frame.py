"""The folium page: a map without tiles, and elements that put text into it as it is.

folium and branca are imported here and nowhere else; ``maps.folium_map`` imports this module when it draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import folium
from branca.element import Element, Figure, MacroElement

MAP_ID = "map"
MAX_ZOOM = 18
MIN_ZOOM = 4
"""A network of hubs may span the country."""


class PageText(Element):
    """Text of the page.

    branca reads what an element gives as a template once more, so that a layer's text holding ``{{`` would be run
    while the page is made; this one gives its text untouched.
    """

    def __init__(self, element_id: str, text: str) -> None:
        super().__init__()
        self._name = "PageText"
        self._id = element_id
        self.text = text

    def render(self, **_: Any) -> str:
        """Return the text."""
        return self.text


class PagePart(MacroElement):
    """A part of the map page: what goes into its head, its body and its script."""

    def __init__(self, part_id: str, *, header: str = "", html: str = "", script: str = "") -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._name = "PagePart"
        self._id = part_id
        self._texts = {"header": header, "html": html, "script": script}

    def render(self, **_: Any) -> str:
        """Put the texts into the page, and nothing where the part itself stands."""
        figure = self.get_root()
        for place, text in self._texts.items():
            if text:
                getattr(figure, place).add_child(PageText(f"{self._id}_{place}", text), name=self.get_name())
        return ""


def new_map(bounds: Sequence[Sequence[float]]) -> folium.Map:
    """Return a map without tiles over ``bounds`` ([[south, west], [north, east]]).

    Ids are fixed, so that a page is the same each time it is made.
    """
    (south, west), (north, east) = bounds
    frame = folium.Map(location=[(south + north) / 2, (west + east) / 2], zoom_start=10, tiles=None,
                       zoom_control="topleft", control_scale=False)
    # Without tiles folium drops the zoom limits, and Leaflet allows any.
    frame.options |= {"maxZoom": MAX_ZOOM, "minZoom": MIN_ZOOM, "zoomSnap": 0.25, "zoomDelta": 0.75,
                      "attributionControl": False}
    frame._id = MAP_ID
    return frame


def map_name(frame: folium.Map) -> str:
    """Return the name of the map in the page's script."""
    return str(frame.get_name())


def render_page(frame: folium.Map, *, title: str, language: str) -> str:
    """Render the page that holds ``frame``, with its language and title (which is escaped here)."""
    from html import escape

    figure = frame.get_root()
    if not isinstance(figure, Figure):
        raise TypeError(f"the map stands in a {type(figure).__name__}, not in a page of its own")
    _fix_ids(figure)
    page = str(figure.render())
    return page.replace("<html>", f'<html lang="{escape(language)}">', 1).replace(
        "<head>", f"<head>\n<title>{escape(title)}</title>", 1)


def _fix_ids(figure: Figure) -> None:
    """Give the elements that folium made itself ids in order of appearance instead of random ones."""
    queue: list[Element] = [figure, figure.header, figure.html, figure.script]
    for n, element in enumerate(queue):
        if not isinstance(element, folium.Map | PagePart | PageText):
            element._id = f"e{n}"
        queue.extend(element._children.values())
