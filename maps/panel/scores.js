/* Scores under any weights, as siting/scoring.py makes them: normalised between the anchors, weighed over what was
   measured. Raw values are codes, see maps/_packing_values.py; a table turns a code into its normalised value. */
"use strict";

(function (panel) {
  const BINS = 4096;
  // Rows weighed at a time: their sums stay in the processor's cache while the columns go by.
  const ROWS = 4096;

  panel.readScores = function (block, study) {
    const { n, scales, value_column: valueColumn, score_error: scoreError } = block.meta;
    const codes = scales.map((scale, c) => (scale ? block.arrays["raw_" + c] : null));
    return {
      n, scales, codes, valueColumn, scoreError, values: scales.map((scale) => scale && valuesOf(scale)),
      hasGaps: codes.map((column) => Boolean(column) && column.includes(0)),
      tables: study.classes.map(() => []),
      weights: study.classes.map((siteClass) => siteClass.criteria.map((criterion) => criterion.weight)),
      score: new Float32Array(n), measured: new Float32Array(n), scoreMs: 0,
    };
  };

  /* The raw value of every code. */
  function valuesOf(scale) {
    const span = scale.step * (scale.n_inside - 1);
    const values = new Float64Array(1 + scale.n_below + scale.n_inside + scale.n_above);
    const outside = (k) => span * Math.expm1(k / scale.n_per_fold);
    let code = 0;
    values[code++] = NaN;
    for (let k = scale.n_below; k > 0; k--) values[code++] = scale.least - outside(k);
    for (let k = 0; k < scale.n_inside; k++) values[code++] = scale.least + scale.step * k;
    for (let k = 1; k <= scale.n_above; k++) values[code++] = k === scale.n_above ? Infinity : scale.least + span + outside(k);
    return scale.is_whole ? values.map(Math.round) : values;
  }

  panel.rawValue = function (scores, classIndex, j, i) {
    const c = scores.valueColumn[classIndex][j];
    return scores.codes[c] ? scores.values[c][scores.codes[c][i]] : NaN;
  };

  /* Values outside the anchors are held in coarser steps; counts are exact as long as these are less than one. */
  panel.isCoarse = function (scores, classIndex, j, i) {
    const c = scores.valueColumn[classIndex][j];
    const scale = scores.scales[c];
    const code = scale ? scores.codes[c][i] : 0;
    const value = code > 0 ? scores.values[c][code] : NaN;
    if (!Number.isFinite(value)) return false;
    if (scale.is_whole && Math.abs(value - scale.least) < scale.n_per_fold / 2) return false;
    return code <= scale.n_below || code > scale.n_below + scale.n_inside;
  };

  const normalised = (criterion, value) => Number.isNaN(value) ? 0
    : (Math.min(Math.max(value, Math.min(criterion.worst, criterion.best)), Math.max(criterion.worst, criterion.best))
      - criterion.worst) / (criterion.best - criterion.worst);

  function tableOf(scores, study, k, j) {
    const c = scores.valueColumn[k][j];
    if (!scores.tables[k][j] && scores.codes[c]) {
      const criterion = study.classes[k].criteria[j];
      const values = scores.values[c];
      const table = new Float32Array(values.length);
      for (let code = 0; code < table.length; code++) table[code] = normalised(criterion, values[code]);
      scores.tables[k][j] = table;
    }
    return scores.tables[k][j];
  }

  /* Score all parcels for a class under its weights in force. */
  panel.scoreAll = function (scores, study, k) {
    const started = performance.now();
    const used = [];
    let always = 0;
    scores.weights[k].forEach((weight, j) => {
      const c = scores.valueColumn[k][j];
      if (weight <= 0 || !scores.codes[c]) return;
      used.push({ weight, codes: scores.codes[c], table: tableOf(scores, study, k, j), hasGaps: scores.hasGaps[c] });
      if (!scores.hasGaps[c]) always += weight;
    });
    for (let from = 0; from < scores.n; from += ROWS) weigh(scores, used, always, from, Math.min(scores.n, from + ROWS));
    scores.scoreMs = performance.now() - started;
  };

  const sums = new Float64Array(ROWS);
  const gaps = new Float64Array(ROWS);

  function weigh(scores, used, always, from, to) {
    sums.fill(0);
    gaps.fill(always);
    for (const column of used) {
      if (column.hasGaps) addWithGaps(column.codes, column.table, column.weight, from, to);
      else add(column.codes, column.table, column.weight, from, to);
    }
    for (let i = from; i < to; i++) {
      const measured = gaps[i - from];
      scores.measured[i] = measured;
      scores.score[i] = measured > 0 ? sums[i - from] / measured : 0;
    }
  }

  function add(codes, table, weight, from, to) {
    for (let i = from; i < to; i++) sums[i - from] += weight * table[codes[i]];
  }

  function addWithGaps(codes, table, weight, from, to) {
    for (let i = from; i < to; i++) {
      if (codes[i] === 0) continue;
      sums[i - from] += weight * table[codes[i]];
      gaps[i - from] += weight;
    }
  }

  /* What all criteria but j add up to, and the weight that was measured among them; their weights sum to 1. */
  panel.holdRest = function (scores, study, k, j) {
    const own = scores.weights[k];
    const others = own.reduce((sum, weight, other) => sum + (other === j ? 0 : weight), 0);
    scores.weights[k] = own.map((weight, other) =>
      (other === j ? 0 : others > 0 ? weight / others : 1 / (own.length - 1)));
    panel.scoreAll(scores, study, k);
    const base = { score: scores.score.slice(), measured: scores.measured.slice() };
    scores.weights[k] = own;
    return base;
  };

  /* Score under one weight that moves: the others were added up before and are only scaled by `factor`. */
  panel.scoreMoved = function (scores, study, k, { j, weight, factor, base }) {
    const started = performance.now();
    const { score, measured } = scores;
    const codes = scores.codes[scores.valueColumn[k][j]];
    const table = tableOf(scores, study, k, j);
    for (let i = 0; i < scores.n; i++) {
      const rest = factor * base.measured[i];
      const own = codes && codes[i] ? weight : 0;
      const total = rest + own;
      measured[i] = total;
      score[i] = total > 0 ? (rest * base.score[i] + (own > 0 ? own * table[codes[i]] : 0)) / total : 0;
    }
    scores.scoreMs = performance.now() - started;
  };

  /* What each criterion adds to the score of a parcel, and the share of weight that was measured. */
  panel.contributions = function (scores, study, k, i) {
    const total = scores.weights[k].reduce((a, b) => a + b, 0);
    const raw = scores.weights[k].map((_, j) => panel.rawValue(scores, k, j, i));
    const measured = raw.reduce((sum, value, j) => sum + (Number.isNaN(value) ? 0 : scores.weights[k][j]), 0);
    return {
      raw, coverage: total > 0 ? measured / total : 0,
      shares: raw.map((value, j) => measured > 0
        ? (scores.weights[k][j] / measured) * normalised(study.classes[k].criteria[j], value) : 0),
    };
  };

  /* Scores below which the given shares of the eligible parcels lie, to a bin. */
  panel.quantiles = function (score, isEligible, shares) {
    const counts = new Uint32Array(BINS + 1);
    for (let i = 0; i < score.length; i++) counts[(score[i] * BINS) | 0] += isEligible[i];
    const total = counts.reduce((a, b) => a + b, 0);
    return shares.map((share) => {
      let bin = 0;
      for (let below = counts[0]; below < share * total && bin < BINS;) below += counts[++bin];
      return bin / BINS;
    });
  };

  /* The best `most` rows among those that are eligible and shown (1 or 0 per row), best first; ties in the order of
     the rows. */
  panel.bestRows = function (score, isEligible, isShown, most) {
    const counts = new Uint32Array(BINS + 1);
    for (let i = 0; i < score.length; i++) counts[(score[i] * BINS) | 0] += isEligible[i] & isShown[i];
    let bin = BINS;
    for (let n = counts[bin]; n < most && bin > 0;) n += counts[--bin];
    const rows = [];
    const least = bin / BINS;
    for (let i = 0; i < score.length; i++) if (score[i] >= least && isEligible[i] && isShown[i]) rows.push(i);
    return rows.sort((a, b) => score[b] - score[a] || a - b).slice(0, most);
  };
})(suanzhiPanel);
