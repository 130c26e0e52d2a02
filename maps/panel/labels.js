/* Names on the map: written by priority, and left out where they would run into one another or under a marker. */
"use strict";

(function (panel) {
  const FONT = '"Noto Sans CJK SC","Source Han Sans SC","Microsoft YaHei","PingFang SC","WenQuanYi Micro Hei",sans-serif';
  const LONGEST = 18;
  const MOST_PER_LAYER = 400;

  panel.paintLabels = function (context, view) {
    const taken = panel.markerBoxes();
    const written = new Set();
    const layers = panel.state.layers
      .filter((layer) => panel.isShown(layer) && layer.label_zoom !== null && view.zoom >= layer.label_zoom)
      .sort((a, b) => b.label_priority - a.label_priority);
    for (const layer of layers) writeLayer(context, view, layer, taken, written);
  };

  function writeLayer(context, view, layer, taken, written) {
    let n = 0;
    for (let i = 0; i < layer.shapes.n && n < MOST_PER_LAYER; i++) {
      const name = layer.names[i];
      if (!name || written.has(name) || view.zoom < layer.variants[layer.arrays.variant[i]].min_zoom
          || !panel.isInView(layer.shapes, i, view, 0)) continue;
      if (write(context, view, layer, i, String(name), taken)) {
        written.add(name);
        n++;
      }
    }
  }

  function write(context, view, layer, i, name, taken) {
    const text = name.length > LONGEST ? name.slice(0, LONGEST - 1) + "…" : name;
    const isArea = layer.shapes.dimension[i] === 2;
    const size = layer.label_priority >= 80 ? (view.zoom < 10 ? 12 : 14) : 11.5;
    context.font = (layer.label_priority >= 80 ? "600 " : "") + size + "px " + FONT;
    const [x, y] = anchor(layer, i, view);
    const width = context.measureText(text).width;
    const offset = isArea ? 0 : layer.variants[layer.arrays.variant[i]].radius_px + 3 + width / 2;
    const place = [0, 1].map((side) => (side ? x - offset : x + offset))
      .find((cx) => isFree(taken, [cx - width / 2 - 3, y - size / 2 - 2, cx + width / 2 + 3, y + size / 2 + 2]));
    if (place === undefined) return false;
    taken.push([place - width / 2 - 3, y - size / 2 - 2, place + width / 2 + 3, y + size / 2 + 2]);
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    context.strokeStyle = "rgba(255,255,255,.9)";
    context.lineWidth = 3.5;
    context.setLineDash([]);
    context.strokeText(text, place, y);
    context.fillStyle = layer.label_priority >= 80 ? "#37474f" : "#212121";
    context.fillText(text, place, y);
    return true;
  }

  function anchor(layer, i, view) {
    let [x, y] = panel.centre(layer.shapes, i);
    if (layer.arrays.anchor_x && layer.shapes.dimension[i] === 2) {
      x = panel.mercatorX(layer.arrays.anchor_x[i]);
      y = panel.mercatorY(layer.arrays.anchor_y[i]);
    }
    return [x * view.scale - view.originX, y * view.scale - view.originY];
  }

  const isFree = (taken, box) =>
    !taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1]);
})(suanzhiPanel);
