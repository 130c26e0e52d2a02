/* Markers that stand on the map as elements: numbered top candidates, and edge centres by the kind of their host. */
"use strict";

(function (panel) {
  const TOP_SIZE = [24, 30];
  const EDGE_SIZE = [26, 26];

  panel.makeMarkers = function (map) {
    panel.state.topMarkers = L.layerGroup();
    panel.state.edgeMarkers = L.layerGroup();
    const edge = panel.state.study.edge;
    for (const centre of edge ? edge.centres : []) panel.edgeMarker(centre, true).addTo(panel.state.edgeMarkers);
    panel.placeTopMarkers();
    panel.showMarkers(map);
  };

  panel.showMarkers = function (map) {
    for (const [name, group] of [["top_candidates", panel.state.topMarkers], ["edge_centres", panel.state.edgeMarkers]]) {
      if (panel.state.shown[name]) group.addTo(map);
      else group.remove();
    }
  };

  panel.placeTopMarkers = function () {
    const { parcels, topMarkers } = panel.state;
    topMarkers.clearLayers();
    parcels.best.forEach((i, order) => {
      const pin = panel.element("div", { class: "pin" },
        panel.element("span", { class: "pin-number", text: String(order + 1) }));
      L.marker(panel.centreLatLng(parcels.shapes, i), {
        icon: L.divIcon({ html: pin, className: "pin-holder", iconSize: TOP_SIZE, iconAnchor: [12, 30] }),
        zIndexOffset: 1000 - order, keyboard: true, title: parcels.ids.at(i), alt: parcels.ids.at(i),
      }).on("click", () => panel.openParcel(i)).addTo(topMarkers);
    });
    panel.sortOutPins();
  };

  /* A pin that would lie over a better one becomes a dot until there is room. */
  panel.sortOutPins = function () {
    const { map, topMarkers } = panel.state;
    const kept = [];
    topMarkers.eachLayer((marker) => {
      const at = map.latLngToLayerPoint(marker.getLatLng());
      const isCrowded = kept.some((other) => Math.abs(other.x - at.x) < TOP_SIZE[0] * 0.8
        && Math.abs(other.y - at.y) < TOP_SIZE[1] * 0.8);
      if (!isCrowded) kept.push(at);
      marker.options.icon.options.html.classList.toggle("is-crowded", isCrowded);
    });
  };

  /* Badge of an edge centre, or of a host that would be one in another plan. */
  panel.edgeMarker = function (centre, isChosen) {
    const host = panel.state.study.hosts[centre.host];
    const badge = panel.element("div", { class: "badge", text: host.glyph, style: { background: host.colour } });
    const where = L.latLng(centre.lat, centre.lon);
    return L.marker(where, {
      icon: L.divIcon({ html: badge, className: "badge-holder", iconSize: EDGE_SIZE, iconAnchor: [13, 13] }),
      zIndexOffset: 500, title: centre.id + " " + centre.name, alt: centre.id,
    }).on("click", () => panel.openPopup(where, isChosen ? panel.explainEdgeCentre(centre) : panel.explainHost(centre)));
  };

  /* Boxes of the shown markers, in layer points, where no name may be written. */
  panel.markerBoxes = function () {
    const boxes = [];
    for (const [group, [width, height], up] of [[panel.state.topMarkers, TOP_SIZE, 30], [panel.state.edgeMarkers, EDGE_SIZE, 13]]) {
      if (!group || !panel.state.map.hasLayer(group)) continue;
      group.eachLayer((marker) => {
        const at = panel.state.map.latLngToLayerPoint(marker.getLatLng());
        boxes.push([at.x - width / 2, at.y - up, at.x + width / 2, at.y - up + height]);
      });
    }
    return boxes;
  };
})(suanzhiPanel);
