/* Two maps that move together, the parcels of both studies on them, and what changed between them. */
"use strict";

(function (panel) {
  const el = panel.element;
  const SIDES = ["before", "after"];
  const SHAPES_PER_PATH = 50;
  const SMALLEST_PX = 1.6;
  const EXCLUDED = "#cfcac1";
  const PANES = { units: 350, parcels: 400, changes: 420, labels: 450 };
  const PLANS = ["edge_centres", "capacity_sites"];

  panel.startComparison = function () {
    window.suanzhi = { ready: unpack().then(build), select: (id) => select(id), setClass: (id) => setClass(id),
      views: () => panel.state.sides.map(({ map }) => [map.getCenter().lat, map.getCenter().lng, map.getZoom()]),
      changes: () => panel.state.study.changes[panel.state.classIndex] };
    window.suanzhi.ready.catch((error) => {
      document.body.prepend(el("div", { class: "banner", text: "地图无法显示 The map cannot be shown: " + error.message }));
      throw error;
    });
  };

  async function unpack() {
    const blocks = { before: [], after: [] };
    for (const element of document.querySelectorAll("script[type='application/octet-stream']")) {
      const kind = element.dataset.kind;
      const block = await panel.readBlock(element);
      if (kind in blocks && Array.isArray(blocks[kind])) blocks[kind].push(panel.readLayer(block));
      else blocks[kind] = block;
    }
    return blocks;
  }

  async function build(blocks) {
    const study = blocks.study.meta;
    const arrays = blocks.parcels.arrays;
    const rows = new Map();
    study.ids.forEach((id, i) => { if (!rows.has(id)) rows.set(id, i); });
    panel.state = { study, arrays, rows, shapes: panel.readShapes(arrays), classIndex: 0, marked: {}, selected: -1, reading: 0,
      layers: blocks.after.filter((layer) => layer.name === "units"),
      shown: { units: true, changes: true, edge_centres: true, capacity_sites: false }, sides: [] };
    panel.markerBoxes = () => [];
    SIDES.forEach((name, side) => panel.state.sides.push(makeSide(name, side, blocks[name])));
    link(...panel.state.sides.map(({ map }) => map));
    makeKeys();
    document.querySelector(".tables").addEventListener("click", (event) => {
      const button = event.target.closest("button[data-parcel]");
      if (button) select(button.dataset.parcel);
    });
    const bounds = wholeBounds();
    panel.state.sides.forEach(({ map }) => map.fitBounds(bounds, { animate: false }));
    setClass(study.classes[0].id);
    await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
  }

  function makeSide(name, side, layers) {
    const map = L.map("map-" + name, { zoomSnap: 0.25, zoomDelta: 0.75, minZoom: 3, maxZoom: 18, attributionControl: false,
      zoomControl: side === 0, zoomAnimation: false, fadeAnimation: false, inertia: false });
    map.setView([0, 0], 6);
    const add = (pane, painter) => {
      map.createPane(pane).style.zIndex = PANES[pane];
      return new panel.Canvas([painter], { pane, padding: 0.05 }).addTo(map);
    };
    const own = { map, canvases: [
      add("units", panel.layerPainter(-Infinity, 100, () => layers)),
      add("parcels", (context, view) => paintParcels(context, view, side)),
      add("changes", (context, view) => {
        if (panel.state.shown.changes) paintChanges(context, view);
        panel.layerPainter(100, Infinity, () => layers)(context, view);
      }),
      add("labels", panel.paintLabels)] };
    L.control.scale({ imperial: false, position: "bottomright" }).addTo(map);
    map.on("click", (event) => {
      const i = parcelAt(event.latlng, side);
      tell(i);
    });
    return own;
  }

  /* Each map follows the other, whichever is moved. */
  function link(...maps) {
    let isFollowing = false;
    maps.forEach((map, k) => map.on("move", () => {
      if (isFollowing) return;
      isFollowing = true;
      maps[1 - k].setView(map.getCenter(), map.getZoom(), { animate: false });
      isFollowing = false;
    }));
  }

  function wholeBounds() {
    const { shapes } = panel.state;
    let [west, north, east, south] = [1, 1, 0, 0];
    for (let i = 0; i < shapes.n; i++) {
      if (panel.isEmpty(shapes, i)) continue;
      const box = panel.boundsLatLng(shapes, i);
      west = Math.min(west, panel.mercatorX(box.getWest()));
      east = Math.max(east, panel.mercatorX(box.getEast()));
      north = Math.min(north, panel.mercatorY(box.getNorth()));
      south = Math.max(south, panel.mercatorY(box.getSouth()));
    }
    if (west > east) return [[-60, -170], [60, 170]];
    return [[panel.latOf(south), panel.lonOf(west)], [panel.latOf(north), panel.lonOf(east)]];
  }

  const scoresOf = (side) => panel.state.arrays["score_" + side + "_" + panel.state.classIndex];

  function bucketOf(score) {
    const { breaks } = panel.state.study;
    let b = 0;
    while (b < breaks.length && score >= breaks[b]) b++;
    return b;
  }

  function paintParcels(context, view, side) {
    const { study, shapes } = panel.state;
    const scores = scoresOf(side);
    const groups = [...study.ramp, EXCLUDED].map(() => []);
    panel.eachInBox(shapes, view.west, view.north, view.east, view.south, (i) => {
      if (scores[i] > -2) groups[scores[i] < 0 ? study.ramp.length : bucketOf(scores[i])].push(i);
    });
    context.globalAlpha = 0.5;
    fill(context, view, groups[study.ramp.length], EXCLUDED);
    context.globalAlpha = 1;
    study.ramp.forEach((colour, b) => fill(context, view, groups[b], colour));
  }

  function fill(context, view, rows, colour) {
    const { shapes } = panel.state;
    const unit = panel.pixelUnit(view);
    const least = SMALLEST_PX / unit;
    context.fillStyle = colour;
    for (let start = 0; start < rows.length; start += SHAPES_PER_PATH) {
      context.beginPath();
      for (const i of rows.slice(start, start + SHAPES_PER_PATH)) {
        if (shapes.maxX[i] - shapes.minX[i] < least && shapes.maxY[i] - shapes.minY[i] < least) {
          context.rect(shapes.minX[i] * unit - view.originX, shapes.minY[i] * unit - view.originY, SMALLEST_PX, SMALLEST_PX);
        } else panel.trace(context, shapes, i, view);
      }
      context.fill("evenodd");
    }
  }

  /* Outlines of what changed: solid in the top list, dashed outside it; the parcel that is told of in black. */
  function paintChanges(context, view) {
    const { study, marked, selected } = panel.state;
    for (const kind of study.kinds.slice().reverse()) {
      context.strokeStyle = kind.colour;
      context.lineWidth = kind.is_top ? 3 : 1.5;
      context.setLineDash(kind.is_top ? [] : [3, 2]);
      for (const i of marked[kind.key] || []) outline(context, view, i, kind.is_top);
    }
    context.setLineDash([]);
    if (selected < 0) return;
    context.strokeStyle = "#000";
    context.lineWidth = 4;
    outline(context, view, selected, true);
  }

  function outline(context, view, i, isMarked) {
    const { shapes } = panel.state;
    if (!panel.isInView(shapes, i, view, 0)) return;
    const unit = panel.pixelUnit(view);
    context.beginPath();
    if (isMarked && (shapes.maxX[i] - shapes.minX[i]) * unit < 8) {
      const [x, y] = panel.centre(shapes, i);
      context.arc(x * view.scale - view.originX, y * view.scale - view.originY, 6, 0, 7);
    } else panel.trace(context, shapes, i, view);
    context.stroke();
  }

  function parcelAt(latlng, side) {
    const { shapes } = panel.state;
    const [x, y] = [panel.mercatorX(latlng.lng), panel.mercatorY(latlng.lat)];
    const scores = scoresOf(side);
    let found = -1;
    panel.eachInBox(shapes, x, y, x, y, (i) => {
      if (scores[i] > -2 && panel.contains(shapes, i, x, y)) found = i;
    });
    return found;
  }

  /* Say what became of a parcel, under the maps: the same for both. */
  function tell(i) {
    const { study, classIndex } = panel.state;
    panel.state.selected = i;
    const detail = document.querySelector(".detail");
    detail.hidden = i < 0;
    if (i >= 0) {
      const change = study.changes[classIndex][study.ids[i]];
      const kind = change && study.kinds.find(({ key }) => key === change.kind);
      detail.replaceChildren(
        el("b", { text: panel.phrase("parcel") + " " + study.ids[i] }),
        el("p", { text: SIDES.map((name, side) => panel.phrase(name) + panel.phrase("colon") + verdict(i, side, change)).join(" · ") }),
        el("p", {}, kind ? el("span", { class: "kind " + kind.key, text: kind.title + " " }) : null,
          el("span", { text: change ? change.why : panel.phrase("nothing") })));
    }
    redraw();
  }

  function verdict(i, side, change) {
    const score = scoresOf(side)[i];
    if (score <= -2) return panel.phrase("no_candidate");
    if (score < 0) return panel.phrase("excluded");
    const rank = change && change.rank[side];
    return (rank ? panel.phrase("rank") + " " + panel.number(rank, 0) + " · " : "")
      + panel.phrase("score") + " " + score.toFixed(4);
  }

  /* Go to a parcel on both maps; false where there is none. */
  function select(id) {
    const i = panel.state.rows.get(String(id));
    if (i === undefined) return false;
    panel.state.sides[0].map.fitBounds(panel.boundsLatLng(panel.state.shapes, i), { maxZoom: 14, animate: false });
    tell(i);
    document.querySelector(".sides").scrollIntoView({ block: "nearest" });
    return true;
  }

  function setClass(id) {
    const k = panel.state.study.classes.findIndex((one) => one.id === id);
    if (k < 0) throw new Error("unknown class " + id);
    panel.state.classIndex = k;
    panel.state.marked = rowsByKind(k);
    document.querySelectorAll(".tables section[data-class]").forEach((part) => { part.hidden = part.dataset.class !== id; });
    document.querySelectorAll("input[name='site-class']").forEach((input) => { input.checked = input.value === id; });
    tell(-1);
  }

  /* Rows of the parcels that changed, for each kind of change. */
  function rowsByKind(k) {
    const { study, rows } = panel.state;
    const found = Object.fromEntries(study.kinds.map(({ key }) => [key, []]));
    for (const [id, change] of Object.entries(study.changes[k])) if (rows.has(id)) found[change.kind].push(rows.get(id));
    return found;
  }

  const redraw = () => panel.state.sides.forEach(({ canvases }) => canvases.forEach((canvas) => canvas.redraw()));

  function makeKeys() {
    const { study } = panel.state;
    document.querySelector(".bar").append(el("fieldset", { class: "classes" }, el("legend", { text: panel.phrase("site_class") }),
      ...study.classes.map(({ id, title }) => {
        const input = el("input", { type: "radio", name: "site-class", value: id });
        input.addEventListener("change", () => setClass(id));
        return el("label", {}, input, el("span", { text: title }));
      })));
    const used = new Set(study.changes.flatMap((own) => Object.values(own).map(({ kind }) => kind)));
    const ramp = el("span", { class: "row" }, el("span", { text: panel.phrase("eligible") + " < " + study.breaks[0].toFixed(2) }),
      ...study.ramp.map((colour) => el("span", { class: "swatch", style: { background: colour } })),
      el("span", { text: "≥ " + study.breaks[study.breaks.length - 1].toFixed(2) }));
    document.querySelector(".keys").replaceChildren(ramp,
      el("span", { class: "row" }, el("span", { class: "swatch", style: { background: EXCLUDED } }),
        el("span", { text: panel.phrase("excluded") })),
      ...study.kinds.filter(({ key }) => used.has(key)).map((kind) => el("span", { class: "row" },
        el("span", { class: "swatch outline" + (kind.is_top ? "" : " dashed"), style: { borderColor: kind.colour } }),
        el("span", { text: kind.title }))),
      ...["changes", ...PLANS].map((name) => layerSwitch(name)),
      study.is_partial ? el("span", { class: "fine", text: panel.phrase("partial") }) : "");
  }

  function layerSwitch(name) {
    const input = el("input", { type: "checkbox", "data-layer": name, checked: panel.state.shown[name] });
    input.addEventListener("change", () => {
      panel.state.shown[name] = input.checked;
      redraw();
    });
    const titles = { changes: "layer_changes", edge_centres: "layer_edge", capacity_sites: "layer_capacity" };
    return el("label", {}, input, el("span", { text: panel.phrase(titles[name]) }));
  }
})(suanzhiPanel);
