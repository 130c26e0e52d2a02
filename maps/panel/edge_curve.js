/* The edge card: how much demand any number of edge centres covers, and where the best so many would stand. */
"use strict";

(function (panel) {
  const el = panel.element;
  const [WIDTH, HEIGHT, LEFT, BOTTOM] = [300, 110, 34, 16];
  let parts = null;

  /* Null where there is no curve to walk. */
  panel.edgeCard = function (makeCard) {
    const { edge } = panel.state.study;
    if (!edge || edge.curve.length < 2) return null;
    const last = edge.curve.length - 1;
    parts = { hidden: [], told: el("p", { "aria-live": "polite" }), dot: panel.svg("circle", { r: 4.5, fill: "#c62828" }),
      input: el("input", { type: "range", min: "0", max: String(last), step: "1", class: "edge-count",
        "aria-label": panel.phrase("edge_number") }) };
    const back = el("button", { type: "button", text: panel.phrase("edge_back") });
    back.addEventListener("click", () => panel.showEdgePlan(null));
    parts.input.value = String(Math.max(0, edge.curve.findIndex((step) => step.n === edge.centres.length)));
    parts.input.addEventListener("input", () => panel.showEdgePlan(Number(parts.input.value)));
    const card = makeCard("edge_number", el("div", { class: "edge-body" }, curve(edge), parts.input, parts.told,
      el("div", { class: "presets" }, back)));
    tell(edge, null);
    return card;
  };

  const placeOf = (curve, at) => [LEFT + ((WIDTH - LEFT - 8) * at) / (curve.length - 1),
    (HEIGHT - BOTTOM - 6) * (1 - curve[at].share) + 6];

  function curve({ curve: steps }) {
    const line = steps.map((_, at) => placeOf(steps, at).map((v) => v.toFixed(1)).join(",")).join(" ");
    const text = (x, y, anchor, words) => {
      const made = panel.svg("text", { x, y, "text-anchor": anchor, "font-size": 10, fill: "#555" });
      made.textContent = words;
      return made;
    };
    const floor = HEIGHT - BOTTOM;
    return panel.svg("svg", { viewBox: "0 0 " + WIDTH + " " + HEIGHT, class: "edge-curve", role: "img" },
      panel.svg("path", { d: "M" + LEFT + " 6V" + floor + "H" + (WIDTH - 8), fill: "none", stroke: "#9e9e9e" }),
      panel.svg("polyline", { points: line, fill: "none", stroke: "#1b7f79", "stroke-width": 2 }),
      text(LEFT - 4, 12, "end", "100%"), text(LEFT - 4, floor, "end", "0"),
      text(LEFT, HEIGHT - 4, "middle", String(steps[0].n)),
      text(WIDTH - 8, HEIGHT - 4, "end", String(steps[steps.length - 1].n)), parts.dot);
  }

  /* Show the plan of a step of the curve, or (null) the one of the study. */
  panel.showEdgePlan = function (at) {
    const { edge } = panel.state.study;
    const isOwn = at === null || edge.curve[at].n === edge.centres.length;
    panel.state.edgeMarkers.clearLayers();
    for (const centre of isOwn ? edge.centres : edge.curve[at].hosts) {
      panel.edgeMarker(centre, isOwn).addTo(panel.state.edgeMarkers);
    }
    showOwnLayers(isOwn);
    tell(edge, at);
    panel.state.labelCanvas.redraw();
  };

  /* The feeds and service areas are those of the study's own plan: hidden beside another one, and shown again. */
  function showOwnLayers(isOwn) {
    if (isOwn) parts.hidden.splice(0).forEach((name) => panel.showLayer(name, true));
    else {
      for (const name of ["feed_lines", "coverage"].filter((layer) => panel.state.shown[layer])) {
        parts.hidden.push(name);
        panel.showLayer(name, false);
      }
    }
  }

  function tell(edge, at) {
    const own = edge.curve.findIndex((step) => step.n === edge.centres.length);
    const step = at === null ? own : at;
    if (at === null) parts.input.value = String(Math.max(0, own));
    const share = step === own || step < 0 ? edge.share : edge.curve[step].share;
    const n = step < 0 ? edge.centres.length : edge.curve[step].n;
    const gain = step > 0 ? edge.curve[step].share - edge.curve[step - 1].share : null;
    parts.told.textContent = panel.phrase("edge_covers", { n, share: panel.percent(share) })
      + (gain === null ? "" : panel.phrase("semicolon") + panel.phrase("edge_gain", { gain: panel.percent(gain) }));
    if (step < 0) return;
    const [x, y] = placeOf(edge.curve, step);
    parts.dot.setAttribute("cx", x);
    parts.dot.setAttribute("cy", y);
  }
})(suanzhiPanel);
