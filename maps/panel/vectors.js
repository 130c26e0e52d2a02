/* The city's layers: areas, lines and symbols drawn on a canvas in their order, and what is under a click. */
"use strict";

(function (panel) {
  const REACH_PX = 6;

  panel.readLayer = function (block) {
    return { ...block.meta, shapes: panel.readShapes(block.arrays), arrays: block.arrays };
  };

  /* Is a layer to be seen: it is switched on, and belongs to the reading of the target that is chosen. */
  panel.isShown = (layer) => panel.state.shown[layer.switch] && panel.isOfReading(layer);
  panel.isOfReading = (layer) => layer.reading === null || layer.reading === panel.state.reading;

  /* Paint the shown layers whose order lies in [from, to): those of the page, or those that `layersOf` gives. */
  panel.layerPainter = (from, to, layersOf) => function (context, view) {
    for (const layer of layersOf ? layersOf() : panel.state.layers) {
      if (layer.order < from || layer.order >= to || !panel.isShown(layer)) continue;
      layer.variants.forEach((look, v) => {
        if (view.zoom >= look.min_zoom) paintVariant(context, view, layer, look, rowsInView(layer, v, view));
      });
    }
  };

  function rowsInView(layer, variant, view) {
    const rows = [];
    const margin = 12 / view.scale;
    for (let i = 0; i < layer.shapes.n; i++) {
      if (layer.arrays.variant[i] === variant && panel.isInView(layer.shapes, i, view, margin)) rows.push(i);
    }
    return rows;
  }

  function paintVariant(context, view, layer, look, rows) {
    if (!rows.length) return;
    const byDimension = [[], [], []];
    for (const i of rows) byDimension[layer.shapes.dimension[i]].push(i);
    paintAreas(context, view, layer.shapes, look, byDimension[2]);
    paintLines(context, view, layer.shapes, look, byDimension[1]);
    paintErrorCircles(context, view, layer, look, byDimension[0]);
    paintSymbols(context, view, layer.shapes, look, byDimension[0]);
  }

  function paintAreas(context, view, shapes, look, rows) {
    for (const i of rows) {
      context.beginPath();
      panel.trace(context, shapes, i, view);
      context.globalAlpha = look.fill_opacity;
      context.fillStyle = look.fill;
      if (look.fill_opacity > 0) context.fill("evenodd");
      context.globalAlpha = 1;
      strokeLook(context, look);
    }
  }

  function paintLines(context, view, shapes, look, rows) {
    if (!rows.length) return;
    context.beginPath();
    for (const i of rows) panel.trace(context, shapes, i, view);
    context.lineJoin = context.lineCap = look.dash.length ? "butt" : "round";
    if (!look.dash.length) context.lineJoin = "round";
    // Far out, lines are drawn finer, or a city's roads would run together.
    strokeLook(context, look, view.zoom < 11 ? 0.65 : view.zoom > 14 ? 1.4 : 1);
  }

  function strokeLook(context, look, factor) {
    if (look.width_px <= 0) return;
    context.strokeStyle = look.colour;
    context.lineWidth = look.width_px * (factor || 1);
    context.setLineDash(look.dash);
    context.stroke();
    context.setLineDash([]);
  }

  function paintErrorCircles(context, view, layer, look, rows) {
    if (!layer.error_radius_km.length) return;
    context.setLineDash([3, 3]);
    context.strokeStyle = look.fill;
    context.lineWidth = 1;
    for (const i of rows) {
      if (!layer.error_radius_km[i]) continue;
      const [x, y] = panel.centre(layer.shapes, i);
      const metresPerUnit = 40075016.7 * Math.cos((panel.latOf(y) * Math.PI) / 180);
      context.beginPath();
      context.arc(x * view.scale - view.originX, y * view.scale - view.originY,
        ((layer.error_radius_km[i] * 1000) / metresPerUnit) * view.scale, 0, 7);
      context.globalAlpha = 0.55;
      context.stroke();
    }
    context.globalAlpha = 1;
    context.setLineDash([]);
  }

  function paintSymbols(context, view, shapes, look, rows) {
    const size = look.radius_px * (view.zoom < 10.5 ? 0.75 : 1);
    for (const i of rows) {
      for (let v = panel.vertexRange(shapes, i)[0]; v < panel.vertexRange(shapes, i)[1]; v++) {
        const [x, y] = panel.placeOf(shapes, v);
        panel.symbol(context, look, x * view.scale - view.originX, y * view.scale - view.originY, size);
      }
    }
  }

  const OUTLINES = {
    circle: (c, x, y, r) => c.arc(x, y, r, 0, 7),
    square: (c, x, y, r) => c.rect(x - r, y - r, 2 * r, 2 * r),
    double_square: (c, x, y, r) => { c.rect(x - r, y - r, 2 * r, 2 * r); c.rect(x - r / 2, y - r / 2, r, r); },
    triangle: (c, x, y, r) => polygon(c, [[x, y - r * 1.15], [x + r, y + r * 0.75], [x - r, y + r * 0.75]]),
    diamond: (c, x, y, r) => polygon(c, [[x, y - r], [x + r, y], [x, y + r], [x - r, y]]),
    cross: (c, x, y, r) => {
      polygon(c, [[x, y - r], [x + r, y + r * 0.8], [x - r, y + r * 0.8]]);
      c.moveTo(x, y - r * 0.35);
      c.lineTo(x, y + r * 0.35);
    },
  };

  function polygon(context, corners) {
    context.moveTo(...corners[0]);
    corners.slice(1).forEach((corner) => context.lineTo(...corner));
    context.closePath();
  }

  /* One symbol; the legend draws with it too. */
  panel.symbol = function (context, look, x, y, size) {
    context.beginPath();
    OUTLINES[look.shape](context, x, y, size);
    context.globalAlpha = look.fill_opacity;
    context.fillStyle = look.fill;
    context.fill();
    context.globalAlpha = 1;
    if (look.width_px > 0) {
      context.strokeStyle = look.colour;
      context.lineWidth = look.width_px;
      context.setLineDash([]);
      context.stroke();
    }
  };

  /* The feature under a click: {layer, row} of a dimension (0 point, 1 line, 2 area), topmost first; `isWanted` may
     leave layers out. */
  panel.featureAt = function (x, y, scale, dimension, isWanted) {
    const { layers, map } = panel.state;
    for (let k = layers.length - 1; k >= 0; k--) {
      const layer = layers[k];
      if (!panel.isShown(layer) || !layer.is_clickable || (isWanted && !isWanted(layer))) continue;
      const row = rowAt(layer, x, y, scale, dimension, map.getZoom());
      if (row >= 0) return { layer, row };
    }
    return null;
  };

  function rowAt(layer, x, y, scale, dimension, zoom) {
    let best = -1;
    let bestDistance = Infinity;
    for (let i = 0; i < layer.shapes.n; i++) {
      const look = layer.variants[layer.arrays.variant[i]];
      if (layer.shapes.dimension[i] !== dimension || zoom < look.min_zoom) continue;
      if (dimension === 2) {
        if (panel.contains(layer.shapes, i, x, y)) best = i;
        continue;
      }
      const reach = (dimension === 0 ? look.radius_px + 3 : REACH_PX) / scale;
      const distance = panel.distance(layer.shapes, i, x, y, reach);
      if (distance <= reach && distance < bestDistance) [best, bestDistance] = [i, distance];
    }
    return best;
  }
})(suanzhiPanel);
