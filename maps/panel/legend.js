/* The legend: what is shown now, in the colours of the active class. */
"use strict";

(function (panel) {
  const el = panel.element;
  const SWATCH = [26, 16];
  const LARGEST_PX = 12;

  panel.drawLegend = function () {
    const { legendBody, study, shown, layers } = panel.state;
    const parts = [];
    if (shown.parcels_by_score) parts.push(scorePart(study));
    if (shown.parcels_excluded) parts.push(reasonPart(study));
    if (shown.edge_centres && study.edge) parts.push(hostPart(study));
    const topFirst = [...layers].reverse();
    for (const group of study.groups) {
      for (const layer of topFirst) {
        if (layer.group === group.key && panel.isShown(layer) && layer.shapes.n) parts.push(layerPart(layer));
      }
    }
    legendBody.replaceChildren(...parts);
  };

  const heading = (text) => el("h4", { text });

  function scorePart(study) {
    const { counts, breaks } = panel.state.parcels;
    const rows = study.ramp.map((colour, b) => row(
      el("span", { class: "swatch", style: { background: colour } }),
      b === 0 ? "< " + fixed(breaks[0]) : b === breaks.length ? "≥ " + fixed(breaks[b - 1])
        : fixed(breaks[b - 1]) + " – " + fixed(breaks[b]),
      counts[study.reason_looks.length + b]));
    return el("div", { class: "part" }, heading(panel.phrase("parcels_by_score")), ...rows.reverse());
  }

  const fixed = (value) => value.toFixed(3).replace(/0$/, "");

  function reasonPart(study) {
    const rows = study.reason_looks.map((look, r) => [look, panel.state.parcels.counts[r]])
      .filter(([, n]) => n > 0)
      .map(([look, n]) => row(canvasSwatch((context) => {
        context.fillStyle = look.colour;
        context.globalAlpha = 0.3;
        context.fillRect(0, 0, ...SWATCH);
        context.globalAlpha = 1;
        context.fillStyle = panel.hatch(context, look);
        context.fillRect(0, 0, ...SWATCH);
      }), look.title, n));
    return el("div", { class: "part" }, heading(panel.phrase("parcels_excluded")), ...rows);
  }

  function hostPart(study) {
    const used = new Set(study.edge.centres.map((centre) => centre.host));
    const rows = Object.entries(study.hosts).filter(([kind]) => used.has(kind)).map(([, host]) => row(
      el("span", { class: "badge small", text: host.glyph, style: { background: host.colour } }), host.title));
    return el("div", { class: "part" }, heading(panel.phrase("edge_centres")), ...rows);
  }

  function layerPart(layer) {
    const used = new Set(layer.arrays.variant);
    const dimension = Math.max(...new Set(layer.shapes.dimension));
    const rows = layer.variants.filter((_, v) => used.has(v)).map((look) => row(lookSwatch(look, dimension), look.title));
    const notes = [layer.is_thinned ? " · " + panel.phrase("thinned") : "",
      layer.variants.every((look) => look.min_zoom > 0) ? " · " + panel.phrase("zoom_in") : ""].join("");
    if (rows.length > 1) return el("div", { class: "part" }, heading(layer.title + notes), ...rows);
    if (notes && rows.length) rows[0].append(el("small", { text: notes.slice(3) }));
    return el("div", { class: "part single" }, ...rows);
  }

  function row(swatch, text, count) {
    return el("div", { class: "row" }, swatch, el("span", { text }),
      count === undefined ? null : el("small", { text: panel.number(count, 0) }));
  }

  function lookSwatch(look, dimension) {
    const radius = Math.min(look.radius_px, LARGEST_PX);
    const size = dimension === 0 ? [SWATCH[0], Math.max(SWATCH[1], 2 * radius + 3)] : SWATCH;
    return canvasSwatch((context) => {
      const [width, height] = size;
      if (dimension === 0) {
        panel.symbol(context, look, width / 2, height / 2, radius);
        return;
      }
      context.beginPath();
      if (dimension === 2) context.rect(1.5, 1.5, width - 3, height - 3);
      else { context.moveTo(0, height / 2); context.lineTo(width, height / 2); }
      context.fillStyle = look.fill;
      context.globalAlpha = dimension === 2 ? Math.min(1, look.fill_opacity * 1.5) : 0;
      context.fill();
      context.globalAlpha = 1;
      context.strokeStyle = look.colour;
      context.lineWidth = look.width_px;
      context.setLineDash(look.dash);
      context.stroke();
    }, size);
  }

  function canvasSwatch(draw, [width, height] = SWATCH) {
    const dots = window.devicePixelRatio || 1;
    const canvas = el("canvas", { class: "swatch-canvas", width: width * dots, height: height * dots,
      style: { width: width + "px", height: height + "px" } });
    const context = canvas.getContext("2d");
    context.scale(dots, dots);
    draw(context);
    return canvas;
  }
})(suanzhiPanel);
