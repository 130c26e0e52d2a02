/* Elements and numbers. Text from data enters the page here only, as text nodes: never as markup. */
"use strict";

(function (panel) {
  /* element("p", {class: "note", text: "..."}, child, ...) */
  panel.element = function (tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (key === "text") made.textContent = value;
      else if (key === "style") Object.assign(made.style, value);
      else made.setAttribute(key, value === true ? "" : value);
    }
    for (const child of children) if (child) made.append(child);
    return made;
  };

  /* A phrase of the page with {names} filled in. */
  panel.phrase = function (key, fill) {
    let text = panel.state.study.phrases[key];
    for (const [name, value] of Object.entries(fill || {})) text = text.replace("{" + name + "}", value);
    return text;
  };

  panel.number = (value, places) =>
    Number(value).toLocaleString("en-US", { maximumFractionDigits: places, minimumFractionDigits: 0 });

  const PLACES = { m: 1, m2: 0, km: 2, kV: 1, "km²": 1, weight: 2 };

  /* A value with its unit; shares as per cent, what is missing as such. */
  panel.quantity = function (value, unit, unitWord) {
    if (value === null || value === undefined || Number.isNaN(value)) return panel.phrase("no_data");
    if (!Number.isFinite(value)) return panel.phrase("beyond");
    if (unit === "share" || unit === "%") return panel.number(value * (unit === "share" ? 100 : 1), 2) + " %";
    const word = unitWord === undefined ? unit : unitWord;
    const text = panel.number(value, unit in PLACES ? PLACES[unit] : 3);
    return word ? text + (word === "°" ? "" : " ") + word : text;
  };

  panel.percent = (value, places) => panel.number(value * 100, places === undefined ? 1 : places) + " %";

  /* "main minor": a name in the page's language and, smaller, in the other one. */
  panel.bilingual = function (main, minor) {
    return panel.element("span", { class: "bilingual" }, panel.element("span", { text: main }),
      minor && minor !== main ? panel.element("small", { text: minor }) : null);
  };

  const SVG = "http://www.w3.org/2000/svg";
  panel.svg = function (tag, attributes, ...children) {
    const made = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
})(suanzhiPanel);
