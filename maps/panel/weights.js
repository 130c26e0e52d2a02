/* The weights in force for each class: set them, carry them from criterion to criterion, write them to a file. */
"use strict";

(function (panel) {
  const DECIMALS = 6;
  let restHeld = null;

  const active = () => {
    const { parcels, study, classIndex } = panel.state;
    return { scores: parcels.scores, study, k: classIndex, criteria: study.classes[classIndex].criteria };
  };

  /* The weights of the active class by criterion; they sum to 1. */
  panel.weights = function () {
    const { scores, k, criteria } = active();
    return Object.fromEntries(criteria.map((criterion, j) => [criterion.id, scores.weights[k][j]]));
  };

  /* Set some weights of the active class; the others stay, and then all are brought to a sum of 1. */
  panel.setWeights = function (given) {
    const { scores, k, criteria } = active();
    const weights = [...scores.weights[k]];
    for (const [id, weight] of Object.entries(given)) {
      const j = criteria.findIndex((criterion) => criterion.id === id);
      if (j < 0) throw new Error("unknown criterion " + id);
      if (!Number.isFinite(weight) || weight < 0) throw new Error("weight of " + id + " is not a positive number or 0");
      weights[j] = weight;
    }
    useWeights(weights);
  };

  /* Set all weights of the active class, in the order of its criteria. */
  panel.useWeights = useWeights;
  function useWeights(weights) {
    const { scores, k } = active();
    const total = weights.reduce((a, b) => a + b, 0);
    if (!(total > 0)) throw new Error("all weights are 0");
    scores.weights[k] = Math.abs(total - 1) < 1e-6 ? [...weights] : weights.map((weight) => weight / total);
    restHeld = null;
    panel.refreshScores();
  }

  /* Give every class the weights of the study again. */
  panel.resetWeights = function () {
    const { parcels, study } = panel.state;
    study.classes.forEach((siteClass, k) => {
      parcels.scores.weights[k] = siteClass.criteria.map((criterion) => criterion.weight);
    });
    restHeld = null;
    panel.refreshScores();
  };

  /* Give criterion j a weight while the others share what is left in their proportion. Steps of one slider reuse
     what the other criteria add up to; `isLast` scores from the ground up. */
  panel.moveWeight = function (j, wanted, isLast) {
    const { scores, study, k, criteria } = active();
    const weight = criteria.length === 1 ? 1 : Math.min(Math.max(wanted, 0), 1);
    if (!restHeld || restHeld.k !== k || restHeld.j !== j) {
      restHeld = { k, j, weights: withoutOne(scores.weights[k], j), base: panel.holdRest(scores, study, k, j) };
    }
    const factor = 1 - weight;
    scores.weights[k] = restHeld.weights.map((rest, other) => (other === j ? weight : rest * factor));
    if (isLast) restHeld = null;
    panel.refreshScores(isLast ? null : { j, weight, factor, base: restHeld.base });
  };

  /* The other weights, brought to a sum of 1; equal ones where they are all 0. */
  function withoutOne(weights, j) {
    const total = weights.reduce((sum, weight, other) => sum + (other === j ? 0 : weight), 0);
    return weights.map((weight, other) => (other === j ? 0 : total > 0 ? weight / total : 1 / (weights.length - 1)));
  }

  /* Weights that can be chosen at once: [{key, weights}]. */
  panel.presets = function () {
    const { criteria } = active();
    const given = criteria.every((criterion) => criterion.pack_weight !== null);
    return [
      { key: "weights_study", weights: criteria.map((criterion) => criterion.weight) },
      given ? { key: "weights_pack", weights: criteria.map((criterion) => criterion.pack_weight) } : null,
      { key: "weights_equal", weights: criteria.map(() => 1 / criteria.length) },
    ].filter(Boolean);
  };

  /* The weights as the table [weights.CLASS] of a study file, for every class whose weights were moved. */
  panel.weightsFile = function () {
    const { parcels, study, classIndex } = panel.state;
    const moved = study.classes.map((_, k) => k).filter((k) => !panel.isAsStudied(parcels, study, k));
    const lines = ["# " + study.title + " · " + study.study, "# suanzhi run ... --weights weights.toml"];
    for (const k of moved.length ? moved : [classIndex]) {
      lines.push("", "[weights." + key(study.classes[k].id) + "]");
      rounded(parcels.scores.weights[k]).forEach((weight, j) => {
        lines.push(key(study.classes[k].criteria[j].id) + " = " + weight.toFixed(DECIMALS));
      });
    }
    return lines.map((line) => line.replace(/[\r\n]+/g, " ")).join("\n") + "\n";
  };

  const key = (text) => (/^[A-Za-z0-9_-]+$/.test(text) ? text : JSON.stringify(text));

  /* Rounded weights that still sum to 1: what rounding leaves goes to the largest. */
  function rounded(weights) {
    const whole = weights.map((weight) => Math.round(weight * 10 ** DECIMALS));
    const left = 10 ** DECIMALS - whole.reduce((a, b) => a + b, 0);
    whole[whole.indexOf(Math.max(...whole))] += left;
    return whole.map((steps) => steps / 10 ** DECIMALS);
  }

  /* Offer a text as a file. */
  panel.download = function (name, type, text) {
    const link = panel.element("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
})(suanzhiPanel);
