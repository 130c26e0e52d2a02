/* Shapes in the unit square of Web Mercator (x east, y south), and the questions that a click asks of them. */
"use strict";

(function (panel) {
  const UNITS_PER_DEGREE = 1e7;

  panel.mercatorX = (lon) => lon / 360 + 0.5;
  panel.mercatorY = (lat) => 0.5 - Math.log(Math.tan(Math.PI / 4 + (lat * Math.PI) / 360)) / (2 * Math.PI);
  panel.latOf = (y) => ((2 * Math.atan(Math.exp((0.5 - y) * 2 * Math.PI)) - Math.PI / 2) * 180) / Math.PI;
  panel.lonOf = (x) => (x - 0.5) * 360;

  function starts(counts) {
    const at = new Uint32Array(counts.length + 1);
    for (let i = 0; i < counts.length; i++) at[i + 1] = at[i] + counts[i];
    return at;
  }

  /* Shapes of a block: paths of feature i are pathStart[i] .. pathStart[i + 1], likewise vertices of a path. */
  panel.readShapes = function (arrays) {
    const n = arrays.dimension.length;
    const shapes = {
      n, dimension: arrays.dimension, pathStart: starts(arrays.path_count), vertexStart: starts(arrays.vertex_count),
      x: new Float64Array(arrays.x.length), y: new Float64Array(arrays.y.length),
      minX: new Float64Array(n).fill(9), minY: new Float64Array(n).fill(9),
      maxX: new Float64Array(n).fill(-9), maxY: new Float64Array(n).fill(-9),
    };
    for (let v = 0; v < arrays.x.length; v++) {
      shapes.x[v] = panel.mercatorX(arrays.x[v] / UNITS_PER_DEGREE);
      shapes.y[v] = panel.mercatorY(arrays.y[v] / UNITS_PER_DEGREE);
    }
    for (let i = 0; i < n; i++) bound(shapes, i);
    return shapes;
  };

  function bound(shapes, i) {
    const [first, end] = vertexRange(shapes, i);
    for (let v = first; v < end; v++) {
      shapes.minX[i] = Math.min(shapes.minX[i], shapes.x[v]);
      shapes.maxX[i] = Math.max(shapes.maxX[i], shapes.x[v]);
      shapes.minY[i] = Math.min(shapes.minY[i], shapes.y[v]);
      shapes.maxY[i] = Math.max(shapes.maxY[i], shapes.y[v]);
    }
  }

  function vertexRange(shapes, i) {
    return [shapes.vertexStart[shapes.pathStart[i]], shapes.vertexStart[shapes.pathStart[i + 1]]];
  }
  panel.vertexRange = vertexRange;

  panel.isEmpty = (shapes, i) => shapes.maxX[i] < shapes.minX[i];
  panel.centre = (shapes, i) => [(shapes.minX[i] + shapes.maxX[i]) / 2, (shapes.minY[i] + shapes.maxY[i]) / 2];
  panel.centreLatLng = function (shapes, i) {
    const [x, y] = panel.centre(shapes, i);
    return L.latLng(panel.latOf(y), panel.lonOf(x));
  };
  panel.boundsLatLng = (shapes, i) => L.latLngBounds(
    [panel.latOf(shapes.maxY[i]), panel.lonOf(shapes.minX[i])],
    [panel.latOf(shapes.minY[i]), panel.lonOf(shapes.maxX[i])]);

  /* Even-odd rule over all rings: holes and further parts come out right. */
  panel.contains = function (shapes, i, x, y) {
    if (x < shapes.minX[i] || x > shapes.maxX[i] || y < shapes.minY[i] || y > shapes.maxY[i]) return false;
    let inside = false;
    for (let p = shapes.pathStart[i]; p < shapes.pathStart[i + 1]; p++) {
      const end = shapes.vertexStart[p + 1];
      for (let a = shapes.vertexStart[p], b = end - 1; a < end; b = a++) {
        if ((shapes.y[a] > y) !== (shapes.y[b] > y)
            && x < ((shapes.x[b] - shapes.x[a]) * (y - shapes.y[a])) / (shapes.y[b] - shapes.y[a]) + shapes.x[a]) {
          inside = !inside;
        }
      }
    }
    return inside;
  };

  /* Distance from a place to a line or point feature, in the units of the square; Infinity beyond `reach`. */
  panel.distance = function (shapes, i, x, y, reach) {
    if (x < shapes.minX[i] - reach || x > shapes.maxX[i] + reach
        || y < shapes.minY[i] - reach || y > shapes.maxY[i] + reach) return Infinity;
    let best = Infinity;
    for (let p = shapes.pathStart[i]; p < shapes.pathStart[i + 1]; p++) {
      for (let v = shapes.vertexStart[p]; v < shapes.vertexStart[p + 1]; v++) {
        const next = shapes.dimension[i] === 1 && v + 1 < shapes.vertexStart[p + 1] ? v + 1 : v;
        best = Math.min(best, toSegment(x, y, shapes.x[v], shapes.y[v], shapes.x[next], shapes.y[next]));
      }
    }
    return best;
  };

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
    for (let p = shapes.pathStart[i]; p < shapes.pathStart[i + 1]; p++) {
      const end = shapes.vertexStart[p + 1];
      let v = shapes.vertexStart[p];
      context.moveTo(shapes.x[v] * view.scale - view.originX, shapes.y[v] * view.scale - view.originY);
      for (v++; v < end; v++) {
        context.lineTo(shapes.x[v] * view.scale - view.originX, shapes.y[v] * view.scale - view.originY);
      }
      if (closed) context.closePath();
    }
  };

  panel.isInView = (shapes, i, view, margin) =>
    shapes.maxX[i] >= view.west - margin && shapes.minX[i] <= view.east + margin
    && shapes.maxY[i] >= view.north - margin && shapes.minY[i] <= view.south + margin;
})(suanzhiPanel);
