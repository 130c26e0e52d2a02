/* All candidates: which colour each has in the active class, how they are drawn, which one is under a click. */
"use strict";

(function (panel) {
  const SMALLEST_PX = 3;
  const SHAPE_FROM_PX = 5;
  const OUTLINE_FROM_PX = 7;
  const HATCH_FROM_PX = 12;
  // Canvases take far more than twice as long for a path of twice the edges.
  const SHAPES_PER_PATH = 50;
  const EXCLUDED_ALPHA = 0.55;
  let hatches = null;

  panel.readParcels = function (block) {
    return {
      shapes: panel.readShapes(block.arrays), columns: block.arrays, ids: block.meta.ids, words: block.meta.words,
      rawColumns: block.meta.raw_columns, brokenStart: [], bucket: new Uint8Array(block.meta.ids.length),
      best: [], buckets: [], selected: -1,
    };
  };

  /* Sort the parcels into buckets of one colour: excluded ones by reason, then eligible ones from low to high. */
  panel.colourParcels = function (parcels, study, classIndex) {
    const siteClass = study.classes[classIndex];
    const nReasons = study.reason_looks.length;
    const score = parcels.columns["score_" + classIndex];
    const reason = parcels.columns["main_reason_" + classIndex];
    const rank = parcels.columns["rank_" + classIndex];
    parcels.counts = new Array(nReasons + study.ramp.length).fill(0);
    parcels.best = [];
    for (let i = 0; i < parcels.ids.length; i++) {
      let bucket;
      if (reason[i] >= 0) bucket = siteClass.rules[reason[i]].reason;
      else {
        bucket = nReasons;
        while (bucket - nReasons < siteClass.breaks.length && score[i] >= siteClass.breaks[bucket - nReasons]) bucket++;
        parcels.best[rank[i] - 1] = i;
      }
      parcels.bucket[i] = bucket;
      parcels.counts[bucket]++;
    }
  };

  /* Where the list of broken rules of parcel i begins, for a class. */
  panel.brokenRange = function (parcels, classIndex, i) {
    if (!parcels.brokenStart[classIndex]) {
      const counts = parcels.columns["broken_count_" + classIndex];
      const at = new Uint32Array(counts.length + 1);
      for (let k = 0; k < counts.length; k++) at[k + 1] = at[k] + counts[k];
      parcels.brokenStart[classIndex] = at;
    }
    return [parcels.brokenStart[classIndex][i], parcels.brokenStart[classIndex][i + 1]];
  };

  panel.paintParcels = function (context, view) {
    const { study, parcels, shown } = panel.state;
    const started = performance.now();
    const nReasons = study.reason_looks.length;
    const groups = visibleByBucket(parcels, view, nReasons, shown);
    for (let bucket = 0; bucket < groups.length; bucket++) {
      if (!groups[bucket].length) continue;
      if (bucket < nReasons) paintExcluded(context, view, parcels.shapes, groups[bucket], study.reason_looks[bucket]);
      else paintEligible(context, view, parcels.shapes, groups[bucket], study.ramp[bucket - nReasons]);
    }
    paintSelected(context, view, parcels);
    panel.state.drawMs = performance.now() - started;
  };

  function visibleByBucket(parcels, view, nReasons, shown) {
    const groups = parcels.counts.map(() => []);
    for (let i = 0; i < parcels.ids.length; i++) {
      const layer = parcels.bucket[i] < nReasons ? "parcels_excluded" : "parcels_by_score";
      if (shown[layer] && panel.isInView(parcels.shapes, i, view, 0)) groups[parcels.bucket[i]].push(i);
    }
    return groups;
  }

  function extentPx(shapes, i, view) {
    return Math.max(shapes.maxX[i] - shapes.minX[i], shapes.maxY[i] - shapes.minY[i]) * view.scale;
  }

  /* Tiny parcels become boxes that can still be seen; returns those that are large enough to have a shape. */
  function paintTiny(context, view, shapes, rows) {
    const large = [];
    for (const i of rows) {
      if (extentPx(shapes, i, view) >= SHAPE_FROM_PX) {
        large.push(i);
        continue;
      }
      const [x, y] = panel.centre(shapes, i);
      const width = Math.max(SMALLEST_PX, (shapes.maxX[i] - shapes.minX[i]) * view.scale);
      const height = Math.max(SMALLEST_PX, (shapes.maxY[i] - shapes.minY[i]) * view.scale);
      context.fillRect(x * view.scale - view.originX - width / 2, y * view.scale - view.originY - height / 2, width, height);
    }
    return large;
  }

  /* Parcels of one ring go into one path; those with holes or several parts are filled each by the even-odd rule. */
  function fillShapes(context, view, shapes, rows) {
    const isSimple = (i) => shapes.pathStart[i + 1] - shapes.pathStart[i] === 1;
    inPaths(context, view, shapes, rows.filter(isSimple), SHAPES_PER_PATH, () => context.fill("nonzero"));
    inPaths(context, view, shapes, rows.filter((i) => !isSimple(i)), 1, () => context.fill("evenodd"));
  }

  function outline(context, view, shapes, rows, colour, widthPx) {
    context.strokeStyle = colour;
    context.lineWidth = widthPx;
    context.setLineDash([]);
    inPaths(context, view, shapes, rows, SHAPES_PER_PATH, () => context.stroke());
  }

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
    outline(context, view, shapes, large.filter((i) => extentPx(shapes, i, view) >= OUTLINE_FROM_PX), "rgba(20,30,50,.75)", 0.7);
  }

  function paintExcluded(context, view, shapes, rows, look) {
    context.globalAlpha = EXCLUDED_ALPHA;
    context.fillStyle = look.colour;
    const large = paintTiny(context, view, shapes, rows);
    const hatched = large.filter((i) => extentPx(shapes, i, view) >= HATCH_FROM_PX);
    fillShapes(context, view, shapes, large.filter((i) => extentPx(shapes, i, view) < HATCH_FROM_PX));
    context.globalAlpha = EXCLUDED_ALPHA / 2;
    fillShapes(context, view, shapes, hatched);
    context.globalAlpha = 0.9;
    context.fillStyle = panel.hatch(context, look);
    fillShapes(context, view, shapes, hatched);
    outline(context, view, shapes, hatched, look.colour, 0.8);
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
    if (extentPx(parcels.shapes, i, view) < 10) {
      const [x, y] = panel.centre(parcels.shapes, i);
      context.beginPath();
      context.arc(x * view.scale - view.originX, y * view.scale - view.originY, 9, 0, 7);
      context.strokeStyle = "#ff1744";
      context.lineWidth = 2.5;
      context.stroke();
      return;
    }
    outline(context, view, parcels.shapes, [i], "#ffffff", 5);
    outline(context, view, parcels.shapes, [i], "#ff1744", 2.5);
  }

  /* The shown parcel at a place; where none contains it, the nearest one that is drawn as a small square. */
  panel.parcelAt = function (x, y, scale) {
    const { parcels, study, shown } = panel.state;
    const nReasons = study.reason_looks.length;
    let near = -1;
    let nearPx = SMALLEST_PX + 1;
    for (let i = parcels.ids.length - 1; i >= 0; i--) {
      if (!shown[parcels.bucket[i] < nReasons ? "parcels_excluded" : "parcels_by_score"]) continue;
      if (panel.contains(parcels.shapes, i, x, y)) return i;
      const [cx, cy] = panel.centre(parcels.shapes, i);
      const px = Math.max(Math.abs(cx - x), Math.abs(cy - y)) * scale;
      if (px < nearPx && extentPx(parcels.shapes, i, { scale }) < 2 * SMALLEST_PX) [near, nearPx] = [i, px];
    }
    return near;
  };
})(suanzhiPanel);
