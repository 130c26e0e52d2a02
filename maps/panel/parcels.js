/* All candidates: what is held of them, which colour each has in the active class, which one is under a click. */
"use strict";

(function (panel) {
  const SMALLEST_PX = 3;
  const BINS = 1024;
  // As in maps/styles.py.
  const BREAK_STEPS = [0.01, 0.02, 0.025, 0.05, 0.1];

  panel.readParcels = function (block, study) {
    const { meta, arrays } = block;
    for (const [name, first] of Object.entries(meta.same)) arrays[name] = arrays[first];
    const shapes = panel.readOutlines(arrays, meta.bits);
    for (const name of ["first_x", "first_y", "step_x", "step_y", "path_count", "vertex_count"]) delete arrays[name];
    const reasons = study.classes.map((_, k) => arrays["main_reason_" + k]);
    return {
      n: meta.n, shapes, ids: panel.readIds(block), columns: arrays,
      words: meta.words, areaStep: meta.area_step_m2, ruleColumn: meta.rule_column, ruleColumns: meta.rule_columns,
      scores: panel.readScores(block, study), isEligible: reasons.map((column) => column.map((reason) => (reason ? 0 : 1))),
      // Rows that the filters let through; all of them as long as there is no filter.
      isShown: new Uint8Array(meta.n).fill(1),
      rankOf: [], filter: null, bucket: new Uint8Array(meta.n), counts: [], breaks: [], best: [], selected: -1, stepMs: 0,
    };
  };

  panel.areaOf = (parcels, i) => parcels.columns.area[i] * parcels.areaStep;
  panel.wordOf = (parcels, name, i) => parcels.words[name][parcels.columns[name][i]];
  panel.permissionOf = (parcels, study, k, i) => study.permissions[parcels.columns["permission_" + k][i] - 1];
  panel.mainRule = (parcels, study, k, i) => study.classes[k].rules[parcels.columns["main_reason_" + k][i] - 1];

  /* Score the active class under its weights, and sort the parcels into buckets of one colour each: excluded ones by
     reason, then eligible ones from low to high. */
  panel.colourParcels = function (parcels, study, k, moved) {
    const started = performance.now();
    if (moved) panel.scoreMoved(parcels.scores, study, k, moved);
    else panel.scoreAll(parcels.scores, study, k);
    const nReasons = study.reason_looks.length;
    const bucketOfReason = Uint8Array.from([0, ...study.classes[k].rules.map((rule) => rule.reason)]);
    const reason = parcels.columns["main_reason_" + k];
    if (parcels.filter || !moved) panel.applyFilter(parcels, study, k);
    if (!moved) parcels.breaks = breaksInForce(parcels, study, k);
    const breaks = Float32Array.from(parcels.breaks);
    const counts = new Uint32Array(nReasons + study.ramp.length);
    const { bucket, isShown, scores: { score } } = parcels;
    const passed = breaksPassed(breaks);
    for (let i = 0; i < parcels.n; i++) {
      let b = bucketOfReason[reason[i]];
      if (!reason[i]) {
        const s = score[i];
        const r = passed[(s * BINS) | 0];
        b = nReasons + r + (r < breaks.length && s >= breaks[r] ? 1 : 0);
      }
      bucket[i] = b;
      counts[b] += isShown[i];
    }
    parcels.counts = [...counts];
    parcels.best = panel.topRows(parcels, study, k, study.n_top);
    parcels.stepMs = performance.now() - started;
  };

  /* How many breaks lie at or below the beginning of each bin of scores; a bin holds one break at most. */
  const breaksPassed = (breaks) =>
    Uint8Array.from({ length: BINS + 1 }, (_, bin) => breaks.filter((score) => score <= bin / BINS).length);

  /* The scores between the colours: those of the study under its own weights, else such as part the scores anew. */
  function breaksInForce(parcels, study, k) {
    if (panel.isAsStudied(parcels, study, k)) return study.classes[k].breaks;
    const [low, high] = panel.quantiles(parcels.scores.score, parcels.isEligible[k], [0.05, 0.95]);
    const n = study.ramp.length - 1;
    const step = BREAK_STEPS.find((wide) => wide * (n + 1) >= high - low) || BREAK_STEPS[BREAK_STEPS.length - 1];
    const middle = Math.round((low + high) / 2 / step - (n - 1) / 2) * step;
    const first = Math.min(Math.max(middle, step), 1 - step * n);
    return Array.from({ length: n }, (_, b) => Number((first + step * b).toFixed(6)));
  }

  /* Whether the weights of a class are those of the study. */
  panel.isAsStudied = (parcels, study, k) =>
    parcels.scores.weights[k].every((weight, j) => weight === study.classes[k].criteria[j].weight);

  /* The best rows: those of the study itself where its own weights are in force and enough of them are held. */
  panel.topRows = function (parcels, study, k, most) {
    const kept = parcels.columns["best_" + k];
    const { isShown } = parcels;
    if (panel.isAsStudied(parcels, study, k)) {
      const found = [];
      for (let r = 0; r < kept.length && found.length < most; r++) if (isShown[kept[r]]) found.push(kept[r]);
      if (found.length === most || kept.length === study.classes[k].n_held) return found;
    }
    return panel.bestRows(parcels.scores.score, parcels.isEligible[k], isShown, most);
  };

  /* Rank of an eligible parcel: {rank, isExact}; it is the study's under the study's own weights, as far as ranks
     are held, and counted from the scores otherwise. */
  panel.rankAt = function (parcels, study, k, i) {
    if (panel.isAsStudied(parcels, study, k)) {
      const place = parcels.columns["best_" + k].indexOf(i);
      if (place >= 0) return { rank: place + 1, isExact: true };
    }
    const { score } = parcels.scores;
    const isEligible = parcels.isEligible[k];
    let rank = 1;
    for (let other = 0; other < parcels.n; other++) if (isEligible[other] && score[other] > score[i]) rank++;
    return { rank, isExact: false };
  };

  /* Whether the layer list and the filters let a parcel be seen. */
  panel.isVisible = function (i) {
    const { parcels, shown, study } = panel.state;
    return parcels.isShown[i] === 1
      && shown[parcels.bucket[i] < study.reason_looks.length ? "parcels_excluded" : "parcels_by_score"];
  };

  /* The shown parcel at a place; where none contains it, the nearest one that is drawn as a small square. */
  panel.parcelAt = function (x, y, scale) {
    const { parcels: { shapes } } = panel.state;
    const reach = (SMALLEST_PX + 1) / scale;
    let inside = -1;
    let near = -1;
    let nearest = reach;
    panel.eachInBox(shapes, x - reach, y - reach, x + reach, y + reach, (i) => {
      if (!panel.isVisible(i)) return;
      if (panel.contains(shapes, i, x, y)) inside = i;
      const [cx, cy] = panel.centre(shapes, i);
      const away = Math.max(Math.abs(cx - x), Math.abs(cy - y));
      if (away < nearest && panel.extentPx(shapes, i, { scale }) < 2 * SMALLEST_PX) [near, nearest] = [i, away];
    });
    return inside >= 0 ? inside : near;
  };
})(suanzhiPanel);
