/* Up to three parcels side by side: a bar holds those that were chosen, and opens a sheet with a column for each. */
"use strict";

(function (panel) {
  const el = panel.element;
  const MOST = 3;
  let chosen = [];
  let sheet = null;
  let bar = null;

  panel.compareParts = function () {
    sheet = el("div", { class: "sheet compare", hidden: true });
    bar = el("div", { class: "compare-bar", hidden: true });
    return [bar, sheet];
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
    panel.state.map.closePopup();
    showBar();
  };

  panel.compared = () => chosen.map((i) => panel.state.parcels.ids.at(i));

  function leave(i) {
    chosen = i === undefined ? [] : chosen.filter((other) => other !== i);
    showBar();
    if (chosen.length) return showSheet();
    sheet.hidden = true;
    return undefined;
  }

  function showBar() {
    const open = el("button", { type: "button", class: "open", text: panel.phrase("compare") });
    open.addEventListener("click", showSheet);
    bar.replaceChildren(...chosen.map((i) => el("span", { class: "chip", text: panel.state.parcels.ids.at(i) })), open);
    bar.hidden = !chosen.length;
  }

  function showSheet() {
    const close = button("close", "×", () => { sheet.hidden = true; });
    close.setAttribute("aria-label", panel.phrase("close"));
    sheet.replaceChildren(close, el("h2", { text: panel.phrase("compare") }),
      button("clear", panel.phrase("compare_clear"), () => leave()),
      el("div", { class: "columns" }, ...chosen.map((i) => el("div", {}, panel.explainParcel(i, false),
        button("drop", panel.phrase("compare_drop"), () => { leave(i); })))));
    sheet.hidden = false;
  }

  function button(name, text, run) {
    const made = el("button", { type: "button", class: name, text });
    made.addEventListener("click", run);
    return made;
  }
})(suanzhiPanel);
