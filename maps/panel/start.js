/* Unpacks the blocks, builds the page and answers clicks; `window.suanzhi` is the face for scripts. */
"use strict";

(function (panel) {
  const PANES = { below: 350, parcels: 400, above: 420, labels: 450 };
  const FIRST_SHOWN = ["top_candidates", "parcels_by_score", "parcels_excluded", "edge_centres"];
  const PARCELS_ORDER = 100;
  // A slider at rest for so long: names, markers and legend follow.
  const SETTLED_MS = 120;

  panel.start = function (map) {
    const started = performance.now();
    window.suanzhi = {
      ready: unpack().then((blocks) => build(map, blocks)).then(() => { panel.state.loadMs = performance.now() - started; }),
      select: (parcelId) => panel.select(parcelId),
      top: (n) => top(n),
      stats: () => ({ parcels: panel.state.parcels.n, draw_ms: panel.state.drawMs, load_ms: panel.state.loadMs,
        score_ms: panel.state.parcels.stepMs }),
      setClass: (classId) => panel.setClass(classId),
      setReading: (k) => panel.setReading(k),
      setBasemap: (key, ownKey) => panel.setBasemap(key, ownKey),
      weights: () => panel.weights(),
      setWeights: (given) => panel.setWeights(given),
      weightsFile: () => panel.weightsFile(),
      setFilter: (given) => panel.setFilter(given),
      seen: () => panel.countSeen(),
      selection: () => panel.selectionText(),
    };
    window.suanzhi.ready.catch(fail);
  };

  async function unpack() {
    const blocks = { layers: [] };
    for (const element of document.querySelectorAll("script[type='application/octet-stream']")) {
      if (typeof DecompressionStream === "undefined") throw new Error("DecompressionStream");
      const kind = element.dataset.kind;
      const block = await panel.readBlock(element);
      if (kind === "layer") blocks.layers.push(panel.readLayer(block));
      else blocks[kind] = block;
    }
    return blocks;
  }

  async function build(map, blocks) {
    const study = blocks.study.meta;
    const shown = Object.fromEntries(FIRST_SHOWN.map((name) => [name, true]));
    for (const layer of blocks.layers) shown[layer.switch] = layer.is_shown;
    panel.state = { map, study, shown, layers: blocks.layers, parcels: panel.readParcels(blocks.parcels, study),
      classIndex: 0, reading: 0, drawMs: 0, loadMs: 0 };
    panel.colourParcels(panel.state.parcels, study, 0);
    panel.makePage(map.getContainer());
    map.invalidateSize({ animate: false });
    panel.drawLegend();
    const margins = panel.cardMargins();
    map.fitBounds(study.bounds, { animate: false, paddingTopLeft: [margins.left, 8],
      paddingBottomRight: [margins.right, 24] });
    L.control.scale({ imperial: false, position: "bottomright" }).addTo(map);
    makeCanvases(map);
    panel.makeMarkers(map);
    panel.makeSliders();
    panel.makeFilters();
    panel.makeCoordinates(map);
    panel.makePrint(map);
    panel.state.labelCanvas.redraw();
    map.on("click", onClick);
    map.on("zoomend", panel.sortOutPins);
    map.on("popupopen", () => map.getContainer().classList.add("has-popup"));
    map.on("popupclose", () => {
      map.getContainer().classList.remove("has-popup");
      deselect();
    });
    await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
  }

  function makeCanvases(map) {
    const { state } = panel;
    const add = (name, painter) => {
      map.createPane(name).style.zIndex = PANES[name];
      return new panel.Canvas([painter], { pane: name }).addTo(map);
    };
    state.belowCanvas = add("below", panel.layerPainter(-Infinity, PARCELS_ORDER));
    state.parcelCanvas = add("parcels", panel.paintParcels);
    state.aboveCanvas = add("above", panel.layerPainter(PARCELS_ORDER, Infinity));
    state.labelCanvas = add("labels", panel.paintLabels);
  }

  function deselect() {
    panel.state.parcels.selected = -1;
    panel.state.parcelCanvas.redraw();
  }

  /* Symbols win over parcels, parcels over lines, lines over areas; parts of a campus over their parcel. */
  function onClick(event) {
    const { map } = panel.state;
    if (panel.isDrawing()) return panel.addCorner(event.latlng);
    const x = panel.mercatorX(event.latlng.lng);
    const y = panel.mercatorY(event.latlng.lat);
    const scale = 256 * Math.pow(2, map.getZoom());
    const symbol = panel.featureAt(x, y, scale, 0);
    if (symbol) return panel.openPopup(event.latlng, panel.explainFeature(symbol));
    const part = panel.featureAt(x, y, scale, 2, (layer) => layer.wins_over_parcels);
    if (part) return panel.openPopup(event.latlng, panel.explainFeature(part));
    const parcel = panel.parcelAt(x, y, scale);
    if (parcel >= 0) return panel.openParcel(parcel, event.latlng);
    const other = panel.featureAt(x, y, scale, 1) || panel.featureAt(x, y, scale, 2);
    if (other) panel.openPopup(event.latlng, panel.explainFeature(other));
    return undefined;
  }

  panel.showLayer = function (name, isShown) {
    const { state } = panel;
    state.shown[name] = isShown;
    document.querySelectorAll("input[data-layer]").forEach((input) => {
      if (input.dataset.layer === name) input.checked = isShown;
    });
    const layer = state.layers.find((l) => l.switch === name);
    if (!layer) {
      state.parcelCanvas.redraw();
      panel.showMarkers(state.map);
      panel.showFilterCount();
    } else (layer.order < PARCELS_ORDER ? state.belowCanvas : state.aboveCanvas).redraw();
    state.labelCanvas.redraw();
    panel.drawLegend();
  };

  /* Choose the reading of the capacity target whose plan is shown. */
  panel.setReading = function (k) {
    const { state } = panel;
    if (!state.study.capacity[k]) throw new Error("unknown reading " + k);
    state.reading = k;
    panel.showReading();
    state.map.closePopup();
    state.aboveCanvas.redraw();
    state.labelCanvas.redraw();
    panel.drawLegend();
  };

  panel.setClass = function (classId) {
    const { state } = panel;
    const index = state.study.classes.findIndex((siteClass) => siteClass.id === classId);
    if (index < 0) throw new Error("unknown class " + classId);
    state.classIndex = index;
    document.querySelectorAll("input[name='site-class']").forEach((input) => { input.checked = input.value === classId; });
    panel.colourParcels(state.parcels, state.study, index);
    panel.makeSliders();
    panel.makeFilters();
    showScores();
  };

  /* Score anew, after weights or filters have changed; `moved` tells of a slider that is still moving. */
  panel.refreshScores = function (moved) {
    const { state } = panel;
    panel.colourParcels(state.parcels, state.study, state.classIndex, moved);
    panel.showWeights();
    if (!moved) return showScores();
    state.parcelCanvas.redraw();
    clearTimeout(state.settling);
    state.settling = setTimeout(showScores, SETTLED_MS);
    return undefined;
  };

  /* Everything that shows scores besides the weight card. */
  function showScores() {
    const { state } = panel;
    clearTimeout(state.settling);
    state.parcelCanvas.redraw();
    panel.placeTopMarkers();
    state.labelCanvas.redraw();
    panel.drawLegend();
    panel.showFilterCount();
    if (state.parcels.selected >= 0) panel.openParcel(state.parcels.selected);
  }

  /* Go to a parcel and explain it; false where there is no such parcel. */
  panel.select = function (parcelId) {
    const { state } = panel;
    const i = state.parcels.ids.rowOf(String(parcelId));
    if (i < 0) return false;
    state.map.fitBounds(panel.boundsLatLng(state.parcels.shapes, i), { maxZoom: 14.5, animate: false });
    panel.openParcel(i);
    return true;
  };

  function top(n) {
    const { parcels, study, classIndex } = panel.state;
    return panel.topRows(parcels, study, classIndex, n).map((i, order) => ({
      parcel_id: parcels.ids.at(i), rank: order + 1, score: parcels.scores.score[i],
    }));
  }

  /* The study block may not be readable, so this says it in both languages. */
  function fail(error) {
    const text = error.message === "DecompressionStream"
      ? "此浏览器过旧，无法解压地图数据；请使用 Chromium 80、Firefox 113 或更新版本。"
        + " This browser is too old to unpack the map; use Chromium 80, Firefox 113 or newer."
      : "地图无法显示 The map cannot be shown: " + error.message;
    document.body.prepend(panel.element("div", { class: "banner", text }));
    throw error;
  }
})(suanzhiPanel);
