/* The furniture of the page: bar with the classes, banner, layer list, legend card, footer, and the data sheet. */
"use strict";

(function (panel) {
  const el = panel.element;
  const RESULTS = ["top_candidates", "parcels_by_score", "parcels_excluded", "edge_centres"];
  const NARROW_PX = 760;

  panel.makePage = function (mapElement) {
    const { study } = panel.state;
    const minor = study.phrases_minor;
    const layerCard = card("layers", layerList(study), minor.layers);
    const legendBody = el("div", { class: "legend-body" });
    panel.state.legendBody = legendBody;
    const legendCard = card("legend", legendBody, minor.legend);
    const inLanguages = (key, body) => card(key, body, minor[key]);
    const tools = [panel.weightCard(inLanguages), panel.filterCard(inLanguages), panel.drawCard(inLanguages),
      panel.edgeCard(inLanguages), panel.capacityCard(inLanguages)].filter(Boolean);
    tools.forEach((tool) => { tool.open = false; });
    // All stand at the left edge.
    takeTurns(...tools, legendCard);
    const compare = panel.compareParts();
    const toolBox = el("div", { class: "tools" }, ...tools);
    const sheet = dataSheet(study.about);
    mapElement.id = mapElement.id || "map";
    mapElement.setAttribute("role", "application");
    mapElement.setAttribute("aria-label", study.title + " " + panel.phrase("subtitle"));
    const skip = el("a", { class: "skip", href: "#" + mapElement.id, text: panel.phrase("to_map") });
    panel.state.told = el("p", { class: "unseen", role: "status" });
    mapElement.before(skip, topBar(study, sheet), banner(study), panel.state.told);
    mapElement.append(layerCard, legendCard, toolBox, footer(study), sheet, ...compare);
    for (const part of [layerCard, legendCard, toolBox, sheet, ...compare]) {
      L.DomEvent.disableClickPropagation(part);
      L.DomEvent.disableScrollPropagation(part);
    }
    if (window.innerWidth < NARROW_PX) [layerCard, legendCard].forEach((part) => { part.open = false; });
  };

  /* Of two cards, fold the one when the other is opened. */
  function takeTurns(...cards) {
    for (const made of cards) {
      made.addEventListener("toggle", () => {
        if (made.open) cards.filter((other) => other !== made).forEach((other) => { other.open = false; });
      });
    }
  }

  /* How much of the map the cards cover at its sides, px; nothing on a narrow screen, where they are folded. */
  panel.cardMargins = function () {
    if (window.innerWidth < NARROW_PX) return { left: 12, right: 12 };
    const width = (name) => document.querySelector(".card." + name).offsetWidth + 20;
    return { left: width("legend"), right: width("layers") };
  };

  function card(key, body, minor) {
    return el("details", { class: "card " + key, open: true },
      el("summary", {}, panel.bilingual(panel.phrase(key), minor)), body);
  }

  function topBar(study, sheet) {
    const open = el("button", { type: "button", class: "data-button", text: panel.phrase("data") });
    open.addEventListener("click", () => { sheet.hidden = !sheet.hidden; });
    return el("header", { class: "bar" },
      el("h1", {}, el("b", { text: panel.phrase("product") }), el("span", { text: study.title }),
        el("small", { text: panel.phrase("subtitle") })),
      classSwitch(study), panel.searchBox(), panel.printButton(), open);
  }

  function classSwitch(study) {
    return el("fieldset", { class: "classes" }, el("legend", { text: panel.phrase("site_class") }),
      ...study.classes.map((siteClass, k) => {
        const input = el("input", { type: "radio", name: "site-class", value: siteClass.id, checked: k === 0 });
        input.addEventListener("change", () => panel.setClass(siteClass.id));
        return el("label", {}, input, el("span", { text: siteClass.title }));
      }));
  }

  function banner(study) {
    if (!study.banner.length) return null;
    return el("div", { class: "banner", role: "note" },
      ...study.banner.map((line) => el("span", { class: line.kind, text: line.text })));
  }

  function layerList(study) {
    const { layers } = panel.state;
    return el("div", { class: "layer-list" }, ...study.groups.map((group) => {
      const rows = group.key === "results"
        ? RESULTS.filter((name) => name !== "edge_centres" || study.edge)
          .map((name) => layerRow(name, study.phrases[name], study.phrases_minor[name])) : [];
      for (const layer of [...layers].reverse()) {
        // The layers of all readings of a target have one switch.
        if (layer.group !== group.key || !layer.shapes.n || layer.reading > 0) continue;
        rows.push(layerRow(layer.switch, layer.title, layer.title_minor));
      }
      return rows.length ? el("fieldset", {}, el("legend", {}, panel.bilingual(group.title, group.title_minor)), ...rows) : null;
    }), panel.basemapPart());
  }

  function layerRow(name, title, minor) {
    const input = el("input", { type: "checkbox", "data-layer": name, checked: panel.state.shown[name] });
    input.addEventListener("change", () => panel.showLayer(name, input.checked));
    return el("label", { class: "layer" }, input, panel.bilingual(title, minor));
  }

  const footer = (study) => el("div", { class: "footer" }, ...study.footer.map((line) => el("span", { text: line })),
    el("span", { class: "tiles" }));

  function dataSheet(about) {
    const close = el("button", { type: "button", class: "close", text: "×", "aria-label": panel.phrase("close") });
    const sheet = el("div", { class: "sheet", hidden: true }, close, el("h2", { text: panel.phrase("data") }),
      sourceTable(about.sources),
      list("missing_layers", about.missing.map((m) => m.layer + " — " + panel.phrase("missing_means") + m.purpose)),
      list("trust", about.trust), list("trust_sites", about.trust_sites), list("notes", about.notes), list("facts", about.facts),
      list("documents", about.documents.map((d) => d.title + (d.status ? " — " + d.status : ""))));
    close.addEventListener("click", () => { sheet.hidden = true; });
    return sheet;
  }

  function sourceTable(sources) {
    const heads = ["layer", "certainty", "source", "rows", "note"].map((key) => el("th", { text: panel.phrase(key) }));
    const rows = sources.map((s) => el("tr", {}, el("td", { text: s.layer }),
      el("td", {}, el("span", { class: "chip " + s.kind, text: s.certainty })), el("td", { text: s.source }),
      el("td", { text: s.rows }), el("td", { text: s.more })));
    return el("table", {}, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...rows));
  }

  function list(key, lines) {
    if (!lines.length) return null;
    return el("section", {}, el("h3", { text: panel.phrase(key) }),
      el("ul", {}, ...lines.map((line) => el("li", { text: line }))));
  }
})(suanzhiPanel);
