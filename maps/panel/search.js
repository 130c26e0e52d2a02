/* Search by parcel id or by the name of anything that has one. */
"use strict";

(function (panel) {
  const el = panel.element;
  const MOST_HITS = 8;
  // Among very many parcels a search waits until the typing pauses.
  const MANY = 100_000;
  const PAUSE_MS = 200;
  let waiting = 0;

  panel.searchBox = function () {
    const input = el("input", { type: "search", placeholder: panel.phrase("search"), "aria-label": panel.phrase("search") });
    const results = el("ul", { class: "hits", hidden: true });
    input.addEventListener("input", () => {
      clearTimeout(waiting);
      if (panel.state.parcels.n <= MANY) showHits(input, results);
      else waiting = setTimeout(() => showHits(input, results), PAUSE_MS);
    });
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && results.querySelector("button")) results.querySelector("button").click();
      if (event.key === "Escape") results.hidden = true;
    });
    return el("div", { class: "search", role: "search" }, input, results);
  };

  function showHits(input, results) {
    const query = input.value.trim().toLowerCase();
    const hits = query ? panel.find(query, MOST_HITS) : [];
    const rows = hits.map((hit) => {
      const button = el("button", { type: "button" }, el("span", { text: hit.name }), el("small", { text: hit.kind }));
      button.addEventListener("click", () => {
        results.hidden = true;
        hit.go();
      });
      return el("li", {}, button);
    });
    if (query && !rows.length) rows.push(el("li", { class: "none", text: panel.phrase("nothing_found") }));
    results.replaceChildren(...rows);
    results.hidden = !query;
  }

  /* Names that hold `query`, exact beginnings first: places, then parcels. */
  panel.find = function (query, most) {
    const hits = [];
    const take = (name, kind, go) => {
      const at = String(name).toLowerCase().indexOf(query);
      if (at >= 0) hits.push({ name: String(name), kind, go, at });
    };
    const { study, layers, parcels } = panel.state;
    for (const centre of study.edge ? study.edge.centres : []) {
      take(centre.id + " " + centre.name, panel.phrase("edge_centre"), () => goToEdgeCentre(centre));
    }
    for (const layer of layers) {
      if (!layer.is_found || !panel.isOfReading(layer)) continue;
      layer.names.forEach((name, row) => name && take(name, layer.title, () => goToFeature(layer, row)));
    }
    for (let i = 0; i < parcels.n && hits.length < 500; i++) {
      const id = parcels.ids.at(i);
      take(id, panel.phrase("parcel"), () => panel.select(id));
    }
    const seen = new Set();
    return hits.sort((a, b) => a.at - b.at || a.name.length - b.name.length)
      .filter((hit) => !seen.has(hit.name + hit.kind) && seen.add(hit.name + hit.kind)).slice(0, most);
  };

  function goToEdgeCentre(centre) {
    const where = L.latLng(centre.lat, centre.lon);
    panel.state.map.setView(where, Math.max(panel.state.map.getZoom(), 13), { animate: false });
    panel.openPopup(where, panel.explainEdgeCentre(centre));
  }

  function goToFeature(layer, row) {
    panel.showLayer(layer.switch, true);
    panel.state.map.fitBounds(panel.boundsLatLng(layer.shapes, row), { maxZoom: 14, animate: false });
    panel.openPopup(panel.centreLatLng(layer.shapes, row), panel.explainFeature({ layer, row }));
  }
})(suanzhiPanel);
