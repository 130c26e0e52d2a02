/* The weight card: presets, a slider per criterion, and the best parcels, ranked anew as a slider moves. */
"use strict";

(function (panel) {
  const el = panel.element;
  const TOP = 20;
  // Weights are mostly small: the way of a slider is the square root of its weight.
  const WAY = 100;
  const toWay = (weight) => Math.round(Math.sqrt(weight) * WAY * 10) / 10;
  const toWeight = (way) => (way / WAY) ** 2;
  let card = null;

  panel.weightCard = function (makeCard) {
    card = { presets: el("div", { class: "presets" }), sliders: el("div", { class: "sliders" }),
      top: el("ol", { class: "top-list" }), inputs: [], outputs: [], waiting: null };
    const save = el("button", { type: "button", class: "save-weights", text: panel.phrase("weights_save") });
    save.addEventListener("click", () => panel.download("weights.toml", "application/toml", panel.weightsFile()));
    return makeCard("weights", el("div", { class: "weight-body" }, card.presets, card.sliders, save,
      el("p", { class: "fine", text: panel.phrase("weights_save_hint") }),
      el("h4", { text: panel.phrase("top_list") }), card.top,
      el("p", { class: "fine", text: panel.phrase("top_list_note",
        { error: panel.number(panel.state.parcels.scores.scoreError, 6) }) })));
  };

  /* Make the sliders of the active class. */
  panel.makeSliders = function () {
    const { study, classIndex } = panel.state;
    card.presets.replaceChildren(...panel.presets().map(({ key, weights }) => {
      const button = el("button", { type: "button", "data-preset": key, text: panel.phrase(key) });
      button.addEventListener("click", () => panel.useWeights(weights));
      return button;
    }), resetButton());
    card.inputs = [];
    card.outputs = [];
    card.sliders.replaceChildren(...study.classes[classIndex].criteria.map(slider));
    panel.showWeights();
  };

  function resetButton() {
    const button = el("button", { type: "button", class: "reset", text: panel.phrase("weights_reset") });
    button.addEventListener("click", () => panel.resetWeights());
    return button;
  }

  function slider(criterion, j) {
    const input = el("input", { type: "range", min: "0", max: String(WAY), step: "0.1", "data-criterion": criterion.id,
      "aria-label": criterion.title });
    const output = el("output");
    input.addEventListener("input", () => step(j, toWeight(Number(input.value)), false));
    input.addEventListener("change", () => step(j, toWeight(Number(input.value)), true));
    card.inputs.push(input);
    card.outputs.push(output);
    return el("label", { class: "slider", title: criterion.title }, el("span", { text: criterion.title }), input, output);
  }

  /* However fast a slider moves, there is one step per frame. */
  function step(j, weight, isLast) {
    const isScheduled = card.waiting !== null;
    card.waiting = { j, weight, isLast: isLast || (isScheduled && card.waiting.isLast && card.waiting.j === j) };
    if (!isScheduled) requestAnimationFrame(() => {
      const { j: moved, weight: wanted, isLast: last } = card.waiting;
      card.waiting = null;
      panel.moveWeight(moved, wanted, last);
    });
  }

  /* Show the weights in force, and the best parcels under them. */
  panel.showWeights = function () {
    const { parcels, study, classIndex } = panel.state;
    parcels.scores.weights[classIndex].forEach((weight, j) => {
      const text = panel.percent(weight, 1);
      // The slider under the finger stays where the finger is.
      if (Math.abs(toWeight(Number(card.inputs[j].value)) - weight) > 1e-3) card.inputs[j].value = toWay(weight);
      card.inputs[j].setAttribute("aria-valuetext", text);
      card.outputs[j].textContent = text;
    });
    const isMoved = !panel.isAsStudied(parcels, study, classIndex);
    document.querySelector(".card.weights").classList.toggle("is-moved", isMoved);
    const rows = panel.topRows(parcels, study, classIndex, TOP);
    card.top.replaceChildren(...rows.map((i, order) => topRow(i, order, isMoved)));
  };

  function topRow(i, order, isMoved) {
    const { parcels, classIndex } = panel.state;
    const id = parcels.ids.at(i);
    const button = el("button", { type: "button" }, el("span", { class: "id", text: id }),
      el("small", { text: isMoved ? moveOf(parcels.columns["best_" + classIndex].indexOf(i), order) : "" }),
      el("span", { class: "number", text: parcels.scores.score[i].toFixed(3) }));
    button.addEventListener("click", () => panel.select(id));
    return el("li", {}, button);
  }

  /* How a parcel has moved against the study: up, down, or from beyond the ranks that are held. */
  function moveOf(studied, order) {
    if (studied < 0) return panel.phrase("rank_new");
    const up = studied - order;
    return up === 0 ? "＝" : (up > 0 ? "▲ " : "▼ ") + Math.abs(up);
  }
})(suanzhiPanel);
