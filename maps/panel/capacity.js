/* The capacity card: which reading of the target is shown, and what its plan comes to. */
"use strict";

(function (panel) {
  const el = panel.element;
  let told = null;

  /* Null where no capacity was laid out. */
  panel.capacityCard = function (makeCard) {
    const readings = panel.state.study.capacity;
    if (!readings.length) return null;
    told = el("div", { "aria-live": "polite" });
    const choice = readings.length < 2 ? null : el("fieldset", { class: "readings" },
      el("legend", { text: panel.phrase("capacity_reading") }), ...readings.map((reading, k) => {
        const input = el("input", { type: "radio", name: "reading", value: reading.id, checked: k === 0 });
        input.addEventListener("change", () => panel.setReading(k));
        return el("label", {}, input, el("span", { text: reading.title }));
      }));
    const card = makeCard("capacity", el("div", { class: "capacity-body" }, choice, told));
    panel.showReading();
    return card;
  };

  /* Tell of the reading that is chosen, and mark it. */
  panel.showReading = function () {
    const { study, reading: k } = panel.state;
    const reading = study.capacity[k];
    const mw = (value) => panel.number(value, 1) + " MW";
    document.querySelectorAll("input[name='reading']").forEach((input) => { input.checked = input.value === reading.id; });
    told.replaceChildren(
      ...(study.capacity.length > 1 ? [] : [el("p", {}, el("b", { text: reading.title }))]),
      panel.factList([
        [panel.phrase("capacity_wanted"), mw(reading.target_mw)],
        reading.existing_mw > 0 ? [panel.phrase("capacity_stands"), mw(reading.existing_mw)] : null,
        [panel.phrase("capacity_laid_out"), mw(reading.it_load_mw) + " · " + panel.phrase("capacity_campuses",
          { n: reading.n_sites, racks: panel.number(reading.racks, 0) })],
        [panel.phrase("capacity_short"), mw(reading.shortfall_mw)],
        [panel.phrase("capacity_power"), panel.number(reading.load_mva, 1) + " MVA / "
          + panel.number(reading.energy_gwh, 0) + " GWh"],
        [panel.phrase("clause"), reading.quote],
      ]), ...reading.facts.map((fact) => el("p", { class: "fine", text: fact })));
  };
})(suanzhiPanel);
