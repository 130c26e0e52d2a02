/* Draws the parcels: as paths with outlines and hatching where few are in sight, filled pixel by pixel where many. */
"use strict";

(function (panel) {
  const SMALLEST_PX = 3;
  const SHAPE_FROM_PX = 3.5;
  const OUTLINE_FROM_PX = 7;
  const HATCH_FROM_PX = 12;
  const MOST_PATHS = 2500;
  // Canvases take far more than twice as long for a path of twice the edges.
  const SHAPES_PER_PATH = 50;
  const EXCLUDED_ALPHA = 0.55;
  const OUTLINE = "rgba(20,30,50,.75)";
  let hatches = null;
  let picture = null;
  let inSight = new Uint32Array(0);

  panel.paintParcels = function (context, view) {
    const { study, parcels } = panel.state;
    const started = performance.now();
    const groups = inSightByBucket(parcels, view);
    const n = groups.reduce((sum, rows) => sum + rows.length, 0);
    if (n > MOST_PATHS) paintPixels(context, view, parcels, study, groups);
    else paintPaths(context, view, parcels, study, groups);
    paintSelected(context, view, parcels);
    panel.state.drawMs = performance.now() - started;
  };

  /* Rows in sight, one array per bucket. */
  function inSightByBucket(parcels, view) {
    const { study, shown } = panel.state;
    const { bucket, isShown } = parcels;
    if (inSight.length < parcels.n) inSight = new Uint32Array(parcels.n);
    const isOn = parcels.counts.map((_, b) =>
      (shown[b < study.reason_looks.length ? "parcels_excluded" : "parcels_by_score"] ? 1 : 0));
    const counts = new Uint32Array(isOn.length);
    let n = 0;
    panel.eachInBox(parcels.shapes, view.west, view.north, view.east, view.south, (i) => {
      if (!isOn[bucket[i]] || !isShown[i]) return;
      inSight[n++] = i;
      counts[bucket[i]]++;
    });
    const groups = [...counts].map((count) => new Uint32Array(count));
    counts.fill(0);
    for (let k = 0; k < n; k++) groups[bucket[inSight[k]]][counts[bucket[inSight[k]]]++] = inSight[k];
    return groups;
  }

  function paintPixels(context, view, parcels, study, groups) {
    const { width, height } = context.canvas;
    if (!picture || picture.width !== width || picture.height !== height) picture = panel.newPicture(width, height);
    else picture.pixels.fill(0);
    const dots = context.getTransform().a;
    const nReasons = study.reason_looks.length;
    const place = { dots, unit: panel.pixelUnit(view) * dots,
      shiftX: context.getTransform().e - view.originX * dots, shiftY: context.getTransform().f - view.originY * dots };
    groups.forEach((rows, b) => {
      if (!rows.length) return;
      if (b < nReasons) fillGroup(parcels.shapes, rows, place, excludedPaint(study.reason_looks[b], dots));
      else {
        const pixel = panel.pixelOf(study.ramp[b - nReasons], 1);
        fillGroup(parcels.shapes, rows, place, { plain: { pixel }, hatched: { pixel },
          edge: panel.pixelOf(study.ramp_edges[b - nReasons], 1), edgeFrom: OUTLINE_FROM_PX });
      }
    });
    context.putImageData(picture.image, 0, 0);
  }

  function excludedPaint(look, dots) {
    const slope = (look.hatch_deg * Math.PI) / 180;
    const [p, q] = [Math.round(-3 * Math.sin(slope)), Math.round(3 * Math.cos(slope))];
    return {
      plain: { pixel: panel.pixelOf(look.colour, EXCLUDED_ALPHA) }, edge: panel.pixelOf(look.colour, 0.9),
      edgeFrom: HATCH_FROM_PX,
      hatched: { pixel: panel.pixelOf(look.colour, EXCLUDED_ALPHA / 2), stripe: panel.pixelOf(look.colour, 0.9), p, q,
        period: Math.round(6 * Math.hypot(p, q) * dots), width: Math.round(1.6 * Math.hypot(p, q) * dots) },
    };
  }

  function fillGroup(shapes, rows, place, paint) {
    const { unit, shiftX, shiftY, dots } = place;
    const side = Math.round(SMALLEST_PX * dots);
    for (let k = 0; k < rows.length; k++) {
      const i = rows[k];
      const extent = Math.max(shapes.maxX[i] - shapes.minX[i], shapes.maxY[i] - shapes.minY[i]) * unit;
      if (extent < SHAPE_FROM_PX * dots) {
        panel.fillSquare(picture, ((shapes.minX[i] + shapes.maxX[i]) / 2) * unit + shiftX,
          ((shapes.minY[i] + shapes.maxY[i]) / 2) * unit + shiftY, side, paint.plain.pixel);
      } else {
        panel.fillPolygon(picture, shapes, i, unit, shiftX, shiftY,
          extent < HATCH_FROM_PX * dots ? paint.plain : paint.hatched, extent < paint.edgeFrom * dots ? 0 : paint.edge);
      }
    }
  }

  function paintPaths(context, view, parcels, study, groups) {
    const nReasons = study.reason_looks.length;
    groups.forEach((rows, b) => {
      if (!rows.length) return;
      if (b < nReasons) paintExcluded(context, view, parcels.shapes, rows, study.reason_looks[b]);
      else paintEligible(context, view, parcels.shapes, rows, study.ramp[b - nReasons]);
    });
  }

  /* Tiny parcels become boxes that can still be seen; returns those that are large enough to have a shape. */
  function paintTiny(context, view, shapes, rows) {
    const large = [];
    for (const i of rows) {
      if (panel.extentPx(shapes, i, view) >= SHAPE_FROM_PX) {
        large.push(i);
        continue;
      }
      const [x, y] = panel.centre(shapes, i);
      context.fillRect(x * view.scale - view.originX - SMALLEST_PX / 2, y * view.scale - view.originY - SMALLEST_PX / 2,
        SMALLEST_PX, SMALLEST_PX);
    }
    return large;
  }

  /* Parcels of one ring go into one path; those with holes or several parts are filled each by the even-odd rule. */
  function fillShapes(context, view, shapes, rows) {
    const isSimple = (i) => shapes.pathStart[i + 1] - shapes.pathStart[i] === 1;
    inPaths(context, view, shapes, rows.filter(isSimple), SHAPES_PER_PATH, () => context.fill("nonzero"));
    inPaths(context, view, shapes, rows.filter((i) => !isSimple(i)), 1, () => context.fill("evenodd"));
  }

  panel.outlineParcels = function (context, view, shapes, rows, colour, widthPx) {
    context.strokeStyle = colour;
    context.lineWidth = widthPx;
    context.setLineDash([]);
    inPaths(context, view, shapes, rows, SHAPES_PER_PATH, () => context.stroke());
  };

  function inPaths(context, view, shapes, rows, perPath, finish) {
    for (let first = 0; first < rows.length; first += perPath) {
      context.beginPath();
      for (let k = first; k < Math.min(first + perPath, rows.length); k++) panel.trace(context, shapes, rows[k], view);
      finish();
    }
  }

  function paintEligible(context, view, shapes, rows, colour) {
    context.globalAlpha = 1;
    context.fillStyle = colour;
    const large = paintTiny(context, view, shapes, rows);
    fillShapes(context, view, shapes, large);
    panel.outlineParcels(context, view, shapes,
      large.filter((i) => panel.extentPx(shapes, i, view) >= OUTLINE_FROM_PX), OUTLINE, 0.7);
  }

  function paintExcluded(context, view, shapes, rows, look) {
    context.globalAlpha = EXCLUDED_ALPHA;
    context.fillStyle = look.colour;
    const large = paintTiny(context, view, shapes, rows);
    const hatched = large.filter((i) => panel.extentPx(shapes, i, view) >= HATCH_FROM_PX);
    fillShapes(context, view, shapes, large.filter((i) => panel.extentPx(shapes, i, view) < HATCH_FROM_PX));
    context.globalAlpha = EXCLUDED_ALPHA / 2;
    fillShapes(context, view, shapes, hatched);
    context.globalAlpha = 0.9;
    context.fillStyle = panel.hatch(context, look);
    fillShapes(context, view, shapes, hatched);
    panel.outlineParcels(context, view, shapes, hatched, look.colour, 0.8);
    context.globalAlpha = 1;
  }

  /* Hatching in the slope of the reason, so that reasons differ without colour too. */
  panel.hatch = function (context, look) {
    hatches = hatches || new Map();
    if (!hatches.has(look.colour)) hatches.set(look.colour, context.createPattern(hatchTile(look), "repeat"));
    const pattern = hatches.get(look.colour);
    pattern.setTransform(new DOMMatrix().rotate(look.hatch_deg));
    return pattern;
  };

  function hatchTile(look) {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 6;
    const context = tile.getContext("2d");
    context.fillStyle = look.colour;
    context.fillRect(0, 0, 6, 1.6);
    return tile;
  }

  function paintSelected(context, view, parcels) {
    if (parcels.selected < 0) return;
    const i = parcels.selected;
    if (panel.extentPx(parcels.shapes, i, view) < 10) {
      const [x, y] = panel.centre(parcels.shapes, i);
      context.beginPath();
      context.arc(x * view.scale - view.originX, y * view.scale - view.originY, 9, 0, 7);
      context.strokeStyle = "#ff1744";
      context.lineWidth = 2.5;
      context.stroke();
      return;
    }
    panel.outlineParcels(context, view, parcels.shapes, [i], "#ffffff", 5);
    panel.outlineParcels(context, view, parcels.shapes, [i], "#ff1744", 2.5);
  }
})(suanzhiPanel);
