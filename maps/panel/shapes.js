/* Shapes in whole steps of the Web Mercator square (x east, y south), and the questions that a click asks of them.

   shapes.x and shapes.y hold steps; everything that is asked or told outside of `shapes` is in the unit square. */
"use strict";

(function (panel) {
  const UNITS_PER_DEGREE = 1e7;
  const BITS = 30;
  const STEPS = Math.pow(2, BITS);
  // Rows of one run, for which one box is held: far ones are passed over as a whole.
  const RUN = 256;

  panel.mercatorX = (lon) => lon / 360 + 0.5;
  panel.mercatorY = (lat) => 0.5 - Math.log(Math.tan(Math.PI / 4 + (lat * Math.PI) / 360)) / (2 * Math.PI);
  panel.latOf = (y) => ((2 * Math.atan(Math.exp((0.5 - y) * 2 * Math.PI)) - Math.PI / 2) * 180) / Math.PI;
  panel.lonOf = (x) => (x - 0.5) * 360;

  function starts(counts) {
    const at = new Uint32Array(counts.length + 1);
    for (let i = 0; i < counts.length; i++) at[i + 1] = at[i] + counts[i];
    return at;
  }

  /* Shapes of a layer, in longitude and latitude. */
  panel.readShapes = function (arrays) {
    const x = new Int32Array(arrays.x.length);
    const y = new Int32Array(arrays.x.length);
    for (let v = 0; v < x.length; v++) {
      x[v] = Math.round(panel.mercatorX(arrays.x[v] / UNITS_PER_DEGREE) * STEPS);
      y[v] = Math.round(panel.mercatorY(arrays.y[v] / UNITS_PER_DEGREE) * STEPS);
    }
    return withBoxes(x, y, starts(arrays.path_count), starts(arrays.vertex_count), arrays.dimension);
  };

  /* Outlines of parcels, see maps/_packing_shapes.py. */
  panel.readOutlines = function (arrays, bits) {
    const vertexStart = starts(arrays.vertex_count);
    const x = unstep(arrays.first_x, arrays.step_x, vertexStart, BITS - bits);
    const y = unstep(arrays.first_y, arrays.step_y, vertexStart, BITS - bits);
    const pathStart = starts(arrays.path_count);
    return withBoxes(x, y, pathStart, vertexStart, new Uint8Array(pathStart.length - 1).fill(2));
  };

  function unstep(first, steps, vertexStart, shift) {
    const places = new Int32Array(vertexStart[vertexStart.length - 1]);
    for (let ring = 0, s = 0; ring < first.length; ring++) {
      const begin = vertexStart[ring];
      const end = vertexStart[ring + 1];
      let at = first[ring];
      places[begin] = at << shift;
      for (let v = begin + 1; v < end; v++, s++) {
        at += (steps[s] >>> 1) ^ -(steps[s] & 1);
        // The last of four is off from the fourth corner of a parallelogram.
        if (v === begin + 3 && end === begin + 4) at -= (places[begin + 1] - places[begin]) >> shift;
        places[v] = at << shift;
      }
    }
    return places;
  }

  /* Paths of feature i are pathStart[i] .. pathStart[i + 1], likewise vertices of a path; an empty one has a box
     that is inside out. */
  function withBoxes(x, y, pathStart, vertexStart, dimension) {
    const n = pathStart.length - 1;
    const [minX, minY, maxX, maxY] = [0, 1, 2, 3].map(() => new Int32Array(n));
    const runs = new Int32Array(4 * Math.ceil(n / RUN));
    for (let r = 0; r < runs.length; r += 4) {
      let [west, north, east, south] = [STEPS, STEPS, -1, -1];
      for (let i = (r / 4) * RUN; i < Math.min(n, (r / 4 + 1) * RUN); i++) {
        let [x0, y0, x1, y1] = [STEPS, STEPS, -1, -1];
        for (let v = vertexStart[pathStart[i]]; v < vertexStart[pathStart[i + 1]]; v++) {
          if (x[v] < x0) x0 = x[v];
          if (x[v] > x1) x1 = x[v];
          if (y[v] < y0) y0 = y[v];
          if (y[v] > y1) y1 = y[v];
        }
        minX[i] = x0;
        minY[i] = y0;
        maxX[i] = x1;
        maxY[i] = y1;
        if (x0 < west) west = x0;
        if (y0 < north) north = y0;
        if (x1 > east) east = x1;
        if (y1 > south) south = y1;
      }
      runs.set([west, north, east, south], r);
    }
    return { n, x, y, pathStart, vertexStart, dimension, minX, minY, maxX, maxY, runs };
  }

  panel.vertexRange = (shapes, i) =>
    [shapes.vertexStart[shapes.pathStart[i]], shapes.vertexStart[shapes.pathStart[i + 1]]];

  /* Pixels of steps: `x * unit - originX`, and likewise for y. */
  panel.pixelUnit = (view) => view.scale / STEPS;

  /* Call `take` with the rows whose boxes touch a window of the unit square. */
  panel.eachInBox = function (shapes, west, north, east, south, take) {
    const [x0, y0, x1, y1] = [west * STEPS, north * STEPS, east * STEPS, south * STEPS];
    for (let r = 0; r < shapes.runs.length; r += 4) {
      if (shapes.runs[r] > x1 || shapes.runs[r + 2] < x0 || shapes.runs[r + 1] > y1 || shapes.runs[r + 3] < y0) continue;
      const end = Math.min(shapes.n, (r / 4 + 1) * RUN);
      for (let i = (r / 4) * RUN; i < end; i++) {
        if (shapes.maxX[i] >= x0 && shapes.minX[i] <= x1 && shapes.maxY[i] >= y0 && shapes.minY[i] <= y1) take(i);
      }
    }
  };

  panel.isEmpty = (shapes, i) => shapes.maxX[i] < shapes.minX[i];
  panel.centre = (shapes, i) =>
    [(shapes.minX[i] + shapes.maxX[i]) / 2 / STEPS, (shapes.minY[i] + shapes.maxY[i]) / 2 / STEPS];
  panel.placeOf = (shapes, v) => [shapes.x[v] / STEPS, shapes.y[v] / STEPS];
  panel.centreLatLng = function (shapes, i) {
    const [x, y] = panel.centre(shapes, i);
    return L.latLng(panel.latOf(y), panel.lonOf(x));
  };
  panel.boundsLatLng = (shapes, i) => L.latLngBounds(
    [panel.latOf(shapes.maxY[i] / STEPS), panel.lonOf(shapes.minX[i] / STEPS)],
    [panel.latOf(shapes.minY[i] / STEPS), panel.lonOf(shapes.maxX[i] / STEPS)]);
  panel.extentPx = (shapes, i, view) =>
    Math.max(shapes.maxX[i] - shapes.minX[i], shapes.maxY[i] - shapes.minY[i]) * panel.pixelUnit(view);

  /* Even-odd rule over all rings: holes and further parts come out right. */
  panel.contains = function (shapes, i, placeX, placeY) {
    const px = placeX * STEPS;
    const py = placeY * STEPS;
    if (px < shapes.minX[i] || px > shapes.maxX[i] || py < shapes.minY[i] || py > shapes.maxY[i]) return false;
    const { x, y } = shapes;
    let inside = false;
    for (let p = shapes.pathStart[i]; p < shapes.pathStart[i + 1]; p++) {
      const end = shapes.vertexStart[p + 1];
      for (let a = shapes.vertexStart[p], b = end - 1; a < end; b = a++) {
        if ((y[a] > py) !== (y[b] > py) && px < ((x[b] - x[a]) * (py - y[a])) / (y[b] - y[a]) + x[a]) inside = !inside;
      }
    }
    return inside;
  };

  /* Distance from a place to a line or point feature, in the units of the square; Infinity beyond `reach`. */
  panel.distance = function (shapes, i, placeX, placeY, reach) {
    const [px, py, far] = [placeX * STEPS, placeY * STEPS, reach * STEPS];
    if (px < shapes.minX[i] - far || px > shapes.maxX[i] + far
        || py < shapes.minY[i] - far || py > shapes.maxY[i] + far) return Infinity;
    let best = Infinity;
    for (let p = shapes.pathStart[i]; p < shapes.pathStart[i + 1]; p++) {
      for (let v = shapes.vertexStart[p]; v < shapes.vertexStart[p + 1]; v++) {
        const next = shapes.dimension[i] === 1 && v + 1 < shapes.vertexStart[p + 1] ? v + 1 : v;
        best = Math.min(best, toSegment(px, py, shapes.x[v], shapes.y[v], shapes.x[next], shapes.y[next]));
      }
    }
    return best / STEPS;
  };

  panel.toSegment = toSegment;
  function toSegment(x, y, ax, ay, bx, by) {
    const dx = bx - ax;
    const dy = by - ay;
    const length2 = dx * dx + dy * dy;
    const t = length2 ? Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / length2)) : 0;
    return Math.hypot(x - ax - t * dx, y - ay - t * dy);
  }

  /* Add a feature to the canvas path; areas are closed, lines are not. */
  panel.trace = function (context, shapes, i, view) {
    const closed = shapes.dimension[i] === 2;
    const unit = panel.pixelUnit(view);
    for (let p = shapes.pathStart[i]; p < shapes.pathStart[i + 1]; p++) {
      const end = shapes.vertexStart[p + 1];
      let v = shapes.vertexStart[p];
      context.moveTo(shapes.x[v] * unit - view.originX, shapes.y[v] * unit - view.originY);
      for (v++; v < end; v++) context.lineTo(shapes.x[v] * unit - view.originX, shapes.y[v] * unit - view.originY);
      if (closed) context.closePath();
    }
  };

  panel.isInView = (shapes, i, view, margin) =>
    shapes.maxX[i] >= (view.west - margin) * STEPS && shapes.minX[i] <= (view.east + margin) * STEPS
    && shapes.maxY[i] >= (view.north - margin) * STEPS && shapes.minY[i] <= (view.south + margin) * STEPS;
})(suanzhiPanel);
