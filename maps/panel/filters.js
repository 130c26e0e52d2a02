/* Which parcels are shown: by zone, permission, land use, rule, area, score, data coverage, or inside a drawn polygon. */
"use strict";

(function (panel) {
  const WORDS = { zone: "zone", land_use: "land_use", district: "district" };
  const RANGES = ["area", "score", "coverage"];
  const STATES = ["eligible", "excluded"];

  /* Show only parcels that meet all that is given, in place of what was asked before:
     {zone: [title], district: [name], land_use: [word], permission: [verdict], state: "eligible" or "excluded",
      rule: rule id, area: [least m2, most], score: [least, most], coverage: [least, most],
      polygon: [[longitude, latitude], ...]}; null or {} for all. */
  panel.setFilter = function (given) {
    const filter = given && Object.keys(given).length ? given : null;
    if (filter) check(filter);
    panel.state.parcels.filter = filter;
    panel.refreshScores();
  };

  function check(filter) {
    const known = [...Object.keys(WORDS), ...RANGES, "permission", "state", "rule", "polygon"];
    const odd = Object.keys(filter).find((key) => !known.includes(key));
    if (odd) throw new Error("unknown filter " + odd + "; known: " + known.join(", "));
    if (filter.state && !STATES.includes(filter.state)) throw new Error("state is eligible or excluded");
    if (filter.polygon && filter.polygon.length < 3) throw new Error("a polygon has three corners or more");
  }

  /* Mark the rows that the filter of the moment lets through, for class k and its scores in force. */
  panel.applyFilter = function (parcels, study, k) {
    const { filter, isShown } = parcels;
    isShown.fill(1);
    if (!filter) return;
    for (const test of testsOf(filter, parcels, study, k)) {
      for (let i = 0; i < parcels.n; i++) if (isShown[i] && !test(i)) isShown[i] = 0;
    }
  };

  function testsOf(filter, parcels, study, k) {
    const tests = [];
    for (const [key, name] of Object.entries(WORDS)) {
      if (!filter[key]) continue;
      const wanted = parcels.words[name].map((word) => filter[key].includes(word));
      const codes = parcels.columns[name];
      tests.push((i) => wanted[codes[i]]);
    }
    if (filter.permission) {
      const wanted = [filter.permission.includes("none"), ...study.permissions.map((p) => filter.permission.includes(p.verdict))];
      const codes = parcels.columns["permission_" + k];
      tests.push((i) => wanted[codes[i]]);
    }
    if (filter.state) {
      const wanted = filter.state === "eligible" ? 1 : 0;
      tests.push((i) => parcels.isEligible[k][i] === wanted);
    }
    if (filter.rule) {
      const r = study.classes[k].rules.findIndex((rule) => rule.id === filter.rule);
      tests.push((i) => r >= 0 && panel.breaksRule(parcels, k, r, i));
    }
    const total = parcels.scores.weights[k].reduce((a, b) => a + b, 0);
    const { score, measured } = parcels.scores;
    const valueOf = { area: (i) => panel.areaOf(parcels, i), score: (i) => score[i],
      coverage: (i) => measured[i] / total };
    for (const key of RANGES) {
      if (!filter[key]) continue;
      const [least, most] = [filter[key][0] ?? -Infinity, filter[key][1] ?? Infinity];
      tests.push((i) => valueOf[key](i) >= least && valueOf[key](i) <= most);
    }
    if (filter.polygon) tests.push(insideOf(filter.polygon, parcels.shapes));
    return tests;
  }

  /* Whether the middle of a parcel lies in a polygon. */
  function insideOf(polygon, shapes) {
    const corners = polygon.map(([lon, lat]) => [panel.mercatorX(lon), panel.mercatorY(lat)]);
    return (i) => {
      const [x, y] = panel.centre(shapes, i);
      let inside = false;
      corners.forEach(([ax, ay], c) => {
        const [bx, by] = corners[(c + corners.length - 1) % corners.length];
        if ((ay > y) !== (by > y) && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
      });
      return inside;
    };
  }

  /* How many parcels are seen now: what the filter and the layer list let through. */
  panel.countSeen = function () {
    let n = 0;
    for (let i = 0; i < panel.state.parcels.n; i++) n += panel.isVisible(i) ? 1 : 0;
    return n;
  };
})(suanzhiPanel);
