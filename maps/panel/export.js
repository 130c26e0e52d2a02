/* The parcels that are seen, as GeoJSON in WGS84: all that the filter and the layer list let through. */
"use strict";

(function (panel) {
  const DECIMALS = 7;
  const ROWS_PER_PIECE = 2000;

  panel.saveSelection = function () {
    const link = panel.element("a", { href: URL.createObjectURL(new Blob(pieces(), { type: "application/geo+json" })),
      download: "selection.geojson" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };

  /* The selection as text; for scripts. */
  panel.selectionText = () => pieces().join("");

  function pieces() {
    const { parcels, study, classIndex } = panel.state;
    const made = ['{"type":"FeatureCollection","features":['];
    let held = [];
    let isFirst = true;
    const flush = () => {
      if (!held.length) return;
      made.push((isFirst ? "\n" : ",\n") + held.join(",\n"));
      isFirst = false;
      held = [];
    };
    for (let i = 0; i < parcels.n; i++) {
      if (!panel.isVisible(i)) continue;
      held.push(JSON.stringify(featureOf(parcels, study, classIndex, i)));
      if (held.length === ROWS_PER_PIECE) flush();
    }
    flush();
    made.push("\n]}\n");
    return made;
  }

  function featureOf(parcels, study, k, i) {
    const isEligible = parcels.isEligible[k][i] === 1;
    const permission = panel.permissionOf(parcels, study, k, i);
    return { type: "Feature", geometry: geometryOf(parcels.shapes, i), properties: {
      parcel_id: parcels.ids.at(i), site_class: study.classes[k].id, eligible: isEligible,
      score: Number(parcels.scores.score[i].toFixed(4)),
      data_coverage: Number(panel.contributions(parcels.scores, study, k, i).coverage.toFixed(4)),
      main_reason: isEligible ? null : panel.mainRule(parcels, study, k, i).id,
      area_m2: Number(panel.areaOf(parcels, i).toFixed(2)), land_use: panel.wordOf(parcels, "land_use", i),
      district: panel.wordOf(parcels, "district", i), zone: panel.wordOf(parcels, "zone", i),
      permission: permission ? permission.verdict : null, certainty: panel.wordOf(parcels, "certainty", i),
    } };
  }

  /* Rings are held side by side; one that lies in an odd number of others is a hole of the innermost of them. */
  function geometryOf(shapes, i) {
    const rings = [];
    for (let p = shapes.pathStart[i]; p < shapes.pathStart[i + 1]; p++) rings.push(ringOf(shapes, p));
    const around = rings.map((ring, r) => rings.map((_, other) => other).filter((other) => other !== r && holds(rings[other], ring[0])));
    const polygons = new Map();
    rings.forEach((ring, r) => { if (around[r].length % 2 === 0) polygons.set(r, [wound(ring, 1)]); });
    rings.forEach((ring, r) => {
      if (around[r].length % 2 === 0) return;
      const owner = around[r].find((other) => around[other].length === around[r].length - 1);
      polygons.get(owner).push(wound(ring, -1));
    });
    const parts = [...polygons.values()];
    return parts.length === 1 ? { type: "Polygon", coordinates: parts[0] } : { type: "MultiPolygon", coordinates: parts };
  }

  function ringOf(shapes, p) {
    const ring = [];
    for (let v = shapes.vertexStart[p]; v < shapes.vertexStart[p + 1]; v++) {
      const [x, y] = panel.placeOf(shapes, v);
      ring.push([Number(panel.lonOf(x).toFixed(DECIMALS)), Number(panel.latOf(y).toFixed(DECIMALS))]);
    }
    ring.push(ring[0]);
    return ring;
  }

  function holds(ring, [x, y]) {
    let inside = false;
    for (let a = 1; a < ring.length; a++) {
      const [[ax, ay], [bx, by]] = [ring[a], ring[a - 1]];
      if ((ay > y) !== (by > y) && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
    }
    return inside;
  }

  /* RFC 7946: outer rings run counter-clockwise (turn 1), holes clockwise (turn -1). */
  function wound(ring, turn) {
    let area = 0;
    for (let a = 1; a < ring.length; a++) area += ring[a - 1][0] * ring[a][1] - ring[a][0] * ring[a - 1][1];
    return area * turn < 0 ? ring.reverse() : ring;
  }
})(suanzhiPanel);
