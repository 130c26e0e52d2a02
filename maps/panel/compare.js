/* Up to three parcels side by side. */
"use strict";

(function (panel) {
  const el = panel.element;
  const MOST = 3;
  let chosen = [];
  let sheet = null;

  panel.compareSheet = function () {
    sheet = el("div", { class: "sheet compare", hidden: true });
    return sheet;
  };

  /* The button of a parcel's card that puts it beside others. */
  panel.compareButton = function (i) {
    const button = el("button", { type: "button", class: "compare-button", text: panel.phrase("compare_add") });
    button.addEventListener("click", () => panel.compare(i));
    return button;
  };

  panel.compare = function (i) {
    // A fourth one takes the place of the first.
    if (!chosen.includes(i)) chosen = [...chosen, i].slice(-MOST);
    show();
  };

  panel.compared = () => chosen.map((i) => panel.state.parcels.ids.at(i));

  function show() {
    const close = el("button", { type: "button", class: "close", text: "×", "aria-label": panel.phrase("close") });
    close.addEventListener("click", () => { sheet.hidden = true; });
    const clear = el("button", { type: "button", class: "clear", text: panel.phrase("compare_clear") });
    clear.addEventListener("click", () => { chosen = []; sheet.hidden = true; });
    sheet.replaceChildren(close, el("h2", { text: panel.phrase("compare") }), clear,
      el("div", { class: "columns" }, ...chosen.map((i) => panel.explainParcel(i, false))));
    sheet.hidden = false;
    panel.state.map.closePopup();
  }
})(suanzhiPanel);
