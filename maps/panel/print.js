/* The printed sheet: A3 landscape with title, map, legend, north arrow, scale bar and what the data are. */
"use strict";

(function (panel) {
  const el = panel.element;
  const LONGEST_BAR_PX = 220;
  const EQUATOR_M = 40075016.7;
  // Canvases are drawn finer for paper than for the screen: some 240 dots to the inch.
  const DOTS = 2.5;
  let before = null;

  panel.printButton = function () {
    const button = el("button", { type: "button", class: "print-button", text: panel.phrase("print") });
    button.addEventListener("click", () => window.print());
    return button;
  };

  panel.makePrint = function (map) {
    const side = el("aside", { class: "print-side" });
    const foot = el("footer", { class: "print-foot" });
    map.getContainer().after(side, foot);
    window.addEventListener("beforeprint", () => before || lay(map, side, foot));
    window.addEventListener("afterprint", () => before && restore(map));
  };

  /* Before the browser measures the sheet: what is in sight stays in sight, the legend stands beside it. */
  function lay(map, side, foot) {
    const { study, legendBody, classIndex } = panel.state;
    const legendHome = legendBody.parentElement;
    before = { centre: map.getCenter(), zoom: map.getZoom(), legendHome };
    const margins = panel.cardMargins();
    const { x, y } = map.getSize();
    const bounds = L.latLngBounds(map.containerPointToLatLng([margins.left, 0]), map.containerPointToLatLng([x - margins.right, y]));
    document.documentElement.classList.add("print-sheet");
    const scale = el("div", { class: "print-scale" });
    side.replaceChildren(
      el("h2", { text: study.title }), el("p", { text: study.study + " · " + study.classes[classIndex].title }),
      el("div", { class: "print-marks" }, north(), scale), el("h3", { text: panel.phrase("legend") }), legendBody);
    foot.replaceChildren(el("b", { text: panel.phrase("data") + panel.phrase("colon") }), ...study.about.sources.map((s) =>
      el("span", { text: s.layer + " " + s.certainty + (s.source ? " (" + s.source + ")" : "") })),
    ...study.footer.map((line) => el("span", { text: line })), el("span", { text: tiles() }));
    map.invalidateSize({ animate: false });
    panel.printDots = DOTS;
    map.setView(bounds.getCenter(), map.getBoundsZoom(bounds), { animate: false });
    scale.replaceChildren(...bar(map));
    redraw();
  }

  const tiles = () => document.querySelector(".footer .tiles").textContent;

  function restore(map) {
    document.documentElement.classList.remove("print-sheet");
    panel.printDots = 0;
    before.legendHome.append(panel.state.legendBody);
    map.invalidateSize({ animate: false });
    map.setView(before.centre, before.zoom, { animate: false });
    before = null;
    redraw();
  }

  function redraw() {
    const { belowCanvas, parcelCanvas, aboveCanvas, labelCanvas } = panel.state;
    for (const canvas of [belowCanvas, parcelCanvas, aboveCanvas, labelCanvas]) canvas.redraw();
    panel.sortOutPins();
  }

  function north() {
    const text = panel.svg("text", { x: 20, y: 11, "text-anchor": "middle", "font-size": 12, "font-weight": 700 });
    text.textContent = panel.phrase("north");
    return panel.svg("svg", { viewBox: "0 0 40 60", class: "north", role: "img" }, text,
      panel.svg("path", { d: "M20 15L32 56L20 47Z", fill: "#212121" }),
      panel.svg("path", { d: "M20 15L8 56L20 47Z", fill: "#fff", stroke: "#212121" }));
  }

  /* A bar of a round length at the middle of the map, with the scale of the sheet (96 px are an inch). */
  function bar(map) {
    const metres = EQUATOR_M * Math.cos((map.getCenter().lat * Math.PI) / 180) / (256 * Math.pow(2, map.getZoom()));
    const power = Math.pow(10, Math.floor(Math.log10(metres * LONGEST_BAR_PX)));
    const length = [5, 2, 1].map((step) => step * power).find((m) => m <= metres * LONGEST_BAR_PX);
    const ratio = Math.round(metres / (0.0254 / 96) / 1000) * 1000;
    return [el("i", { style: { width: length / metres + "px" } }),
      el("span", { text: (length < 1000 ? length + " m" : length / 1000 + " km") + " · 1 : " + panel.number(ratio, 0) })];
  }
})(suanzhiPanel);
