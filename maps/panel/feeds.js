/* The substations that would feed a parcel: the two nearest of a voltage that its class asks for. */
"use strict";

(function (panel) {
  const TWO = 2;
  let placed = null;

  /* [{name, voltage, distance}] in metres on the grid of the run, nearest first; empty where that cannot be told. */
  panel.feedsOf = function (i) {
    const { study, layers, parcels, classIndex } = panel.state;
    const layer = layers.find((other) => other.name === "substations");
    const voltages = layer && layer.fields.find((field) => field.name === "voltage_kv");
    if (!study.grid || !voltages) return [];
    placed = placed || Array.from({ length: layer.shapes.n }, (_, row) => outlineOf(layer.shapes, row, study.grid));
    const outline = outlineOf(parcels.shapes, i, study.grid);
    return placed.map((place, row) => ({ row, voltage: voltages.values[row] }))
      .filter(({ voltage }) => voltage !== null && voltage >= study.classes[classIndex].supply_voltage_kv)
      .map(({ row, voltage }) => ({ name: layer.names[row] || layer.title, voltage,
        distance: apart(outline, placed[row], parcels.shapes, i, layer.shapes, row) }))
      .sort((a, b) => a.distance - b.distance).slice(0, TWO);
  };

  /* Paths of a shape on the grid: [[x, y], ...] each, a ring with its first vertex again at the end. */
  function outlineOf(shapes, i, grid) {
    const paths = [];
    for (let p = shapes.pathStart[i]; p < shapes.pathStart[i + 1]; p++) {
      const path = [];
      for (let v = shapes.vertexStart[p]; v < shapes.vertexStart[p + 1]; v++) {
        const [x, y] = panel.placeOf(shapes, v);
        path.push(panel.toGrid(grid, panel.lonOf(x), panel.latOf(y)));
      }
      if (shapes.dimension[i] === 2 && path.length) path.push(path[0]);
      paths.push(path);
    }
    return paths;
  }

  /* Distance between two shapes that do not cross: from every vertex of the one to every edge of the other. */
  function apart(one, other, oneShapes, i, otherShapes, row) {
    if (!otherShapes.vertexStart.length || panel.isEmpty(otherShapes, row)) return Infinity;
    const [v] = panel.vertexRange(otherShapes, row);
    if (panel.contains(oneShapes, i, ...panel.placeOf(otherShapes, v))) return 0;
    return Math.min(toEdges(one, other), toEdges(other, one));
  }

  function toEdges(from, to) {
    let least = Infinity;
    for (const [x, y] of from.flat()) {
      for (const path of to) {
        for (let k = 0; k < path.length; k++) {
          const [next] = path.slice(k + 1, k + 2);
          least = Math.min(least, panel.toSegment(x, y, ...path[k], ...(next || path[k])));
        }
      }
    }
    return least;
  }

  panel.feedRows = (i) => panel.feedsOf(i).map(({ name, voltage, distance }, k) => [
    panel.phrase(k === 0 ? "feed_a" : "feed_b"),
    name + " · " + panel.quantity(voltage, "kV") + " · " + panel.quantity(distance, "m")]);
})(suanzhiPanel);
