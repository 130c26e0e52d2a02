/* What a click tells: why a parcel scores what it scores, why it is excluded, and by which clause. */
"use strict";

(function (panel) {
  const el = panel.element;

  panel.openPopup = function (where, content) {
    const height = Math.max(220, Math.min(460, panel.state.map.getSize().y - 90));
    const margins = panel.cardMargins();
    const room = window.innerWidth - 64;
    L.popup({ maxWidth: Math.min(390, room), minWidth: Math.min(330, room), maxHeight: height,
      autoPanPaddingTopLeft: [Math.min(margins.left, 60), 12], autoPanPaddingBottomRight: [margins.right, 12] })
      .setLatLng(where).setContent(content).openOn(panel.state.map);
    // For those who hear the page: what the popup is about.
    panel.state.told.textContent = [...content.querySelectorAll("h3, .sub, .verdict")].map((part) => part.innerText).join(" · ");
  };

  panel.openParcel = function (i, where) {
    panel.openPopup(where || panel.centreLatLng(panel.state.parcels.shapes, i), panel.explainParcel(i, true));
    // Only now: an earlier popup that this one closes takes its own mark away.
    panel.state.parcels.selected = i;
    panel.state.parcelCanvas.redraw();
  };

  /* A short table of names and values. */
  const facts = panel.factList = function (rows) {
    return el("dl", { class: "facts" }, ...rows.filter(Boolean).flatMap(([name, value]) =>
      [el("dt", { text: name }), value instanceof Node ? el("dd", {}, value) : el("dd", { text: value })]));
  };

  const section = (title, ...children) => el("section", {}, el("h4", { text: title }), ...children);

  /* Document, heading and the sentence itself. */
  panel.clause = function (citation) {
    const where = [citation.document, citation.heading, citation.ids].filter(Boolean).join(" · ");
    return el("div", { class: "clause" }, el("div", { text: panel.phrase("clause") + panel.phrase("colon") + where }),
      citation.quote ? el("blockquote", { text: citation.quote }) : null,
      citation.status ? el("small", { text: panel.phrase("status") + panel.phrase("colon") + citation.status }) : null);
  };

  panel.explainParcel = function (i, withButton) {
    const { parcels, study, classIndex } = panel.state;
    const siteClass = study.classes[classIndex];
    return el("div", { class: "explain" },
      el("h3", { text: panel.phrase("parcel") + " " + parcels.ids.at(i) }),
      el("p", { class: "sub", text: siteClass.title }),
      verdict(parcels, siteClass, classIndex, i), parcelFacts(parcels, i), permissionPart(parcels, study, classIndex, i),
      ...brokenParts(parcels, siteClass, classIndex, i), criteriaPart(parcels, siteClass, classIndex, i),
      feedPart(i),
      uncheckedPart(siteClass), withButton ? panel.compareButton(i) : null);
  };

  function verdict(parcels, siteClass, k, i) {
    const { study } = panel.state;
    const isEligible = parcels.isEligible[k][i] === 1;
    const score = panel.number(parcels.scores.score[i], 3);
    const coverage = panel.percent(panel.contributions(parcels.scores, study, k, i).coverage, 0);
    const cell = (name, value) => el("div", {}, el("small", { text: name }), el("strong", { text: value }));
    return el("div", { class: "verdict " + (isEligible ? "is-eligible" : "is-excluded") },
      isEligible ? cell(panel.phrase("rank"), rankText(parcels, study, k, i))
        : cell(panel.phrase("excluded"), panel.mainRule(parcels, study, k, i).title),
      cell(panel.phrase(isEligible ? "score" : "would_score"), score), cell(panel.phrase("data_coverage"), coverage));
  }

  function rankText(parcels, study, k, i) {
    const { rank, isExact } = panel.rankAt(parcels, study, k, i);
    const { n_eligible: n, n_held: held, is_partial: isPartial } = study.classes[k];
    if (isExact) return panel.phrase("rank_of", { rank, n });
    // Under weights of the reader's own, the parcels on the page are all that can be ranked.
    if (!panel.isAsStudied(parcels, study, k)) return panel.phrase("rank_of", { rank, n: held });
    if (isPartial) return panel.phrase("rank_after", { rank: parcels.columns["best_" + k].length, n });
    return panel.phrase("rank_about", { rank, n });
  }

  /** A district is told in square kilometres, a plot in square metres. */
  function areaText(m2) {
    return m2 < 1e7 ? panel.number(m2, 0) + " m²" : panel.number(m2 / 1e6, 1) + " km²";
  }

  function parcelFacts(parcels, i) {
    const word = (name) => panel.wordOf(parcels, name, i);
    return facts([
      [panel.phrase("area"), areaText(panel.areaOf(parcels, i))],
      [panel.phrase("land_use"), word("land_use")],
      [panel.phrase("unit"), [word("unit"), word("district")].filter((w, n, all) => w && all.indexOf(w) === n).join(" / ")],
      [panel.phrase("certainty"), word("certainty")],
    ]);
  }

  function permissionPart(parcels, study, k, i) {
    const permission = panel.permissionOf(parcels, study, k, i);
    if (!permission) return section(panel.phrase("permission"), el("p", { text: panel.phrase("no_zone") }));
    return section(panel.phrase("permission"),
      el("p", {}, el("span", { class: "chip " + permission.verdict, text: permission.word }),
        el("span", { text: " " + permission.zone }), permission.assumed ? assumedMark() : null),
      permission.condition ? el("p", { text: panel.phrase("condition") + panel.phrase("colon") + permission.condition }) : null,
      panel.clause(permission.citation));
  }

  const assumedMark = () => el("span", { class: "assumed-mark", text: panel.phrase("assumed") });

  function brokenParts(parcels, siteClass, k, i) {
    const excluding = [];
    const advice = [];
    for (const { rule, value, isBroken } of panel.rulesAt(parcels, siteClass, k, i)) {
      (isBroken && rule.excludes ? excluding : advice).push(rulePart(rule, value, isBroken));
    }
    return [excluding.length ? section(panel.phrase("reasons"), ...excluding) : null,
      advice.length ? section(panel.phrase("advice"), ...advice) : null,
      excluding.length ? null : el("p", { class: "fine", text: panel.phrase("no_exclusion") })];
  }

  function rulePart(rule, value, isBroken) {
    const marks = [el("span", { class: "chip " + rule.strictness, text: panel.phrase(rule.strictness) })];
    if (rule.strictness === "shall" && !rule.excludes) marks.push(el("small", { text: panel.phrase("mitigated") }));
    if (rule.assumed) marks.push(assumedMark());
    return el("div", { class: "rule" },
      el("p", {}, el("b", { text: rule.title + " " }), ...marks),
      comparison(rule, value, isBroken), panel.clause(rule.citation),
      rule.note ? el("p", { class: "fine", text: rule.note }) : null);
  }

  function comparison(rule, value, isBroken) {
    if (!isBroken) return el("p", { text: panel.phrase("not_measured") });
    if (rule.is_categorical || !Number.isFinite(value)) return null;
    const sign = value < rule.limit ? " < " : value > rule.limit ? " > " : " = ";
    return el("p", { class: "measured", text: panel.phrase("measured") + " "
      + panel.quantity(value, rule.unit, rule.unit_word) + sign + panel.phrase("required") + " "
      + panel.quantity(rule.limit, rule.unit, rule.unit_word) });
  }

  function criteriaPart(parcels, siteClass, k, i) {
    const { raw, shares } = panel.contributions(parcels.scores, panel.state.study, k, i);
    const rows = siteClass.criteria.map((criterion, j) => ({
      criterion, raw: raw[j], share: shares[j], weight: parcels.scores.weights[k][j],
      isCoarse: panel.isCoarse(parcels.scores, k, j, i),
    }));
    const widest = Math.max(...rows.map((row) => Math.max(row.weight, row.share)), 1e-9);
    const known = rows.filter((row) => !Number.isNaN(row.raw)).sort((a, b) => b.share - a.share);
    const unknown = rows.filter((row) => Number.isNaN(row.raw));
    return section(panel.phrase("criteria"), ...known.map((row) => criterionBar(row, widest)),
      ...unknown.map(({ criterion, weight }) => el("p", { class: "missing" }, el("span", { text: criterion.title }),
        el("span", { text: panel.phrase("no_data") + " · " + panel.phrase("weight") + " " + panel.percent(weight) }))),
      unknown.length ? el("p", { class: "fine", text: panel.phrase("weights_raised") }) : null);
  }

  function criterionBar({ criterion, raw, share, weight, isCoarse }, widest) {
    const value = (v) => panel.quantity(v, criterion.unit, criterion.unit_word);
    return el("div", { class: "criterion" },
      el("div", { class: "line" }, el("span", {}, el("span", { text: criterion.title }),
        criterion.assumed ? assumedMark() : null), el("b", { text: (isCoarse ? "≈ " : "") + value(raw) })),
      el("div", { class: "track" },
        el("i", { class: "weight", style: { width: (weight / widest) * 100 + "%" } }),
        el("i", { class: "share", style: { width: (share / widest) * 100 + "%" } })),
      el("div", { class: "line fine" },
        el("span", { text: panel.phrase("worst_to_best", { worst: value(criterion.worst), best: value(criterion.best) }) }),
        el("span", { text: panel.phrase("contribution") + " " + panel.number(share, 3) + " / " + panel.phrase("weight")
          + " " + panel.percent(weight) })));
  }

  function feedPart(i) {
    const rows = panel.feedRows(i);
    return rows.length ? section(panel.phrase("nearest_feeds"), facts(rows)) : null;
  }

  function uncheckedPart(siteClass) {
    if (!siteClass.unchecked.length) return null;
    return section(panel.phrase("not_checked"), el("p", { class: "fine",
      text: siteClass.unchecked.map((r) => siteClass.rules[r].title).join(panel.phrase("semicolon")) }));
  }

  panel.explainEdgeCentre = function (centre) {
    const { study } = panel.state;
    const feed = (f) => (f.id ? [f.name || f.id, panel.quantity(f.voltage_kv, "kV"), panel.quantity(f.distance_m, "m")]
      .join(" · ") : panel.phrase("no_data"));
    return el("div", { class: "explain" },
      el("h3", { text: panel.phrase("edge_centre") + " " + centre.id }), el("p", { class: "sub", text: centre.name }),
      facts([
        [panel.phrase("host"), study.hosts[centre.host].title],
        [panel.phrase("feed_a"), feed(centre.feeds[0])], [panel.phrase("feed_b"), feed(centre.feeds[1])],
        [panel.phrase("demand_covered"), panel.number(centre.demand, 2) + " · "
          + panel.phrase("demand_points", { n: centre.n_demand })],
        centre.power_limit ? [panel.phrase("power_limit"), centre.power_limit] : null,
        centre.fibre_diversity ? [panel.phrase("fibre_diversity"), centre.fibre_diversity + (centre.fibre_shared_m
          ? panel.phrase("semicolon") + panel.phrase("fibre_shared", { length: panel.quantity(centre.fibre_shared_m, "m") })
          : "")] : null,
        centre.stability === null ? null : [panel.phrase("stability"),
          panel.phrase("stability_share", { share: panel.percent(centre.stability, 0) })],
        centre.runner_up ? [panel.phrase("runner_up"), centre.runner_up + (centre.runner_up_loss === null ? ""
          : " · " + panel.phrase("runner_up_loss", { loss: panel.percent(centre.runner_up_loss) }))] : null,
        [panel.phrase("zone"), centre.zone], [panel.phrase("unit"), centre.unit],
        [panel.phrase("certainty"), centre.certainty],
      ]),
      el("p", { class: "fine", text: panel.phrase("share_of_demand", { share: panel.percent(study.edge.share) }) }));
  };

  panel.explainHost = (host) => el("div", { class: "explain" },
    el("h3", { text: host.name || host.id }), el("p", { class: "sub", text: panel.phrase("edge_other_plan") }),
    facts([[panel.phrase("host"), panel.state.study.hosts[host.host].title], ["id", host.id]]));

  /* A parcel's id, which opens its card where the page holds it. */
  function parcelLink(parcelId) {
    if (panel.state.parcels.ids.rowOf(parcelId) < 0) return parcelId;
    const link = el("button", { type: "button", class: "parcel-link", text: parcelId });
    link.addEventListener("click", () => panel.select(parcelId));
    return link;
  }

  panel.explainFeature = function ({ layer, row }) {
    const rows = layer.fields.map((field) => [field.title, field.values[row], field])
      .filter(([, value]) => value !== null && value !== undefined && value !== "")
      .map(([title, value, field]) => [title, field.name === "parcel_id" ? parcelLink(String(value))
        : typeof value === "number" ? panel.quantity(value, field.code, field.unit) : String(value)]);
    if (layer.certainty.length) rows.push([panel.phrase("certainty"), layer.certainty[row]]);
    return el("div", { class: "explain" },
      el("h3", { text: layer.names[row] || layer.title }), el("p", { class: "sub", text: layer.title }), facts(rows));
  };
})(suanzhiPanel);
