/* Measure along a line, or round a polygon, and take the parcels in it. */
"use strict";

(function (panel) {
  const el = panel.element;
  const EARTH_M = 6371008.8;
  const RADIANS = Math.PI / 180;
  const drawn = { corners: [], isOn: false, layers: null, body: null };

  panel.drawCard = function (makeCard) {
    const start = button("draw_start", () => panel.setDrawing(!drawn.isOn));
    drawn.start = start;
    drawn.told = el("p", { class: "measured", "aria-live": "polite" });
    drawn.body = el("div", { class: "draw-body" }, el("p", { class: "fine", text: panel.phrase("draw_hint") }), start,
      drawn.told, el("div", { class: "presets" },
        button("draw_take", () => drawn.corners.length > 2 && panel.addFilter("polygon", cornersOf())),
        button("draw_clear", () => { panel.setDrawing(false); setCorners([]); panel.addFilter("polygon", null); })));
    return makeCard("draw", drawn.body);
  };

  function button(key, run) {
    const made = el("button", { type: "button", "data-draw": key, text: panel.phrase(key) });
    made.addEventListener("click", run);
    return made;
  }

  const cornersOf = () => drawn.corners.map(({ lng, lat }) => [lng, lat]);
  panel.isDrawing = () => drawn.isOn;

  panel.setDrawing = function (isOn) {
    drawn.isOn = isOn;
    drawn.start.textContent = panel.phrase(isOn ? "draw_stop" : "draw_start");
    panel.state.map.getContainer().classList.toggle("is-drawing", isOn);
    if (isOn) setCorners([]);
  };

  panel.addCorner = (latlng) => setCorners([...drawn.corners, latlng.wrap()]);

  function setCorners(corners) {
    const { map } = panel.state;
    drawn.corners = corners;
    if (drawn.layers) drawn.layers.remove();
    const style = { color: "#d50000", weight: 2, fillOpacity: 0.08, interactive: false };
    drawn.layers = L.layerGroup([
      corners.length > 2 ? L.polygon(corners, { ...style, dashArray: "5 4" }) : null,
      corners.length > 1 ? L.polyline(corners, { ...style, weight: 3 }) : null,
      ...corners.map((corner) => L.circleMarker(corner, { ...style, radius: 3, fillOpacity: 1 })),
    ].filter(Boolean)).addTo(map);
    drawn.told.textContent = told(corners);
  }

  function told(corners) {
    if (corners.length < 2) return "";
    const along = corners.slice(1).reduce((sum, corner, c) => sum + panel.distanceM(corners[c], corner), 0);
    const text = panel.phrase("draw_length", { length: length(along) });
    if (corners.length < 3) return text;
    const area = panel.areaM2(corners);
    return text + panel.phrase("semicolon") + panel.phrase("draw_area",
      { area: area < 1e5 ? panel.number(area, 0) + " m²" : panel.number(area / 1e6, 3) + " km²" });
  }

  const length = (metres) => (metres < 10_000 ? panel.number(metres, 1) + " m" : panel.number(metres / 1000, 2) + " km");

  /* Metres between two places: on the ground, by the metric grid of the run and its scale where it has one. */
  panel.distanceM = function (a, b) {
    const { grid } = panel.state.study;
    if (!grid) return L.CRS.Earth.distance(a, b);
    const [[ax, ay], [bx, by]] = [a, b].map(({ lng, lat }) => panel.toGrid(grid, lng, lat));
    return Math.hypot(bx - ax, by - ay);
  };

  /* Area of a polygon: on the metric grid of the run, else on a sphere. */
  panel.areaM2 = function (corners) {
    const { grid } = panel.state.study;
    const flat = corners.map(({ lng, lat }) => (grid ? panel.toGrid(grid, lng, lat)
      : [EARTH_M * lng * RADIANS, EARTH_M * Math.sin(lat * RADIANS)]));
    return Math.abs(flat.reduce((sum, [x, y], c) => {
      const [nextX, nextY] = flat[(c + 1) % flat.length];
      return sum + x * nextY - nextX * y;
    }, 0)) / 2;
  };
})(suanzhiPanel);
