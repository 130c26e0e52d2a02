/* The filter card: a choice for each property, ranges for numbers, how many parcels are left, and their export. */
"use strict";

(function (panel) {
  const el = panel.element;
  let fields = {};
  let count = null;

  panel.filterCard = function (makeCard) {
    count = el("p", { class: "filter-count", "aria-live": "polite" });
    const clear = el("button", { type: "button", text: panel.phrase("filter_clear") });
    clear.addEventListener("click", () => {
      fields = {};
      panel.setFilter(null);
      panel.makeFilters();
    });
    const save = el("button", { type: "button", class: "save-selection", text: panel.phrase("export_selection") });
    save.addEventListener("click", () => panel.saveSelection());
    panel.state.filterBody = el("div", { class: "filter-fields" });
    return makeCard("filters", el("div", { class: "filter-body" }, panel.state.filterBody, count,
      el("div", { class: "presets" }, clear, save)));
  };

  /* Make the fields of the active class. */
  panel.makeFilters = function () {
    const { parcels, study, classIndex } = panel.state;
    const words = (name) => parcels.words[name].filter(Boolean).map((word) => [word, word]);
    const verdicts = new Map(study.permissions.map((p) => [p.verdict, p.word]));
    const rules = study.classes[classIndex].rules.filter((_, r) => parcels.ruleColumn[classIndex][r] >= 0);
    panel.state.filterBody.replaceChildren(
      choice("state", [["eligible", panel.phrase("state_eligible")], ["excluded", panel.phrase("excluded")]]),
      choice("zone", words("zone")), choice("district", words("district")), choice("land_use", words("land_use")),
      choice("permission", [...verdicts]), choice("rule", rules.map((rule) => [rule.id, rule.title])),
      range("area", "m²", 1), range("score", "", 1), range("coverage", "%", 0.01));
    panel.showFilterCount();
  };

  const TITLES = { state: "filter_state", zone: "zone", district: "district", land_use: "land_use",
    permission: "permission", rule: "filter_rule", area: "area", score: "score", coverage: "data_coverage" };

  function choice(key, options) {
    if (!options.length) return null;
    const select = el("select", { "data-filter": key }, el("option", { value: "", text: panel.phrase("filter_all") }),
      ...options.map(([value, text]) => el("option", { value, text })));
    const current = fields[key];
    if (current !== undefined) select.value = Array.isArray(current) ? current[0] : current;
    if (select.value === "") delete fields[key];
    select.addEventListener("change", () => {
      if (!select.value) delete fields[key];
      else fields[key] = key === "state" || key === "rule" ? select.value : [select.value];
      panel.setFilter({ ...fields });
    });
    return el("label", { class: "filter" }, el("span", { text: panel.phrase(TITLES[key]) }), select);
  }

  function range(key, unit, factor) {
    const inputs = [0, 1].map((end) => {
      const title = panel.phrase(TITLES[key]) + " " + panel.phrase(end ? "filter_most" : "filter_least");
      const input = el("input", { type: "number", min: "0", step: "any", "data-filter": key, "aria-label": title,
        placeholder: panel.phrase(end ? "filter_most" : "filter_least") });
      const held = fields[key] && fields[key][end];
      if (held !== undefined && held !== null) input.value = String(held / factor);
      input.addEventListener("change", () => {
        const ends = fields[key] ? [...fields[key]] : [null, null];
        ends[end] = input.value === "" ? null : Number(input.value) * factor;
        if (ends[0] === null && ends[1] === null) delete fields[key];
        else fields[key] = ends;
        panel.setFilter({ ...fields });
      });
      return input;
    });
    return el("div", { class: "filter" }, el("span", { text: panel.phrase(TITLES[key]) + (unit ? " (" + unit + ")" : "") }),
      el("span", { class: "ends" }, ...inputs));
  }

  /* Keep what other tools ask for, such as a drawn polygon, among the fields. */
  panel.addFilter = function (key, value) {
    if (value === null) delete fields[key];
    else fields[key] = value;
    panel.setFilter({ ...fields });
  };

  panel.showFilterCount = function () {
    const { parcels } = panel.state;
    count.textContent = panel.phrase("filter_count", { n: panel.number(panel.countSeen(), 0), all: panel.number(parcels.n, 0) });
    document.querySelector(".card.filters").classList.toggle("is-moved", Boolean(parcels.filter));
  };
})(suanzhiPanel);
