/* Which rules a parcel breaks: a bit per parcel and rule, see maps/_packing_rules.py. */
"use strict";

(function (panel) {
  const BITS_SET = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replace(/0/g, "").length);

  const isSet = (bits, i) => Boolean(bits) && ((bits[i >> 3] >> (i & 7)) & 1) === 1;

  /* How many bits are set before bit i: the place of parcel i among the measured values. */
  function setBefore(bits, i) {
    let count = BITS_SET[bits[i >> 3] & ((1 << (i & 7)) - 1)];
    for (let b = 0; b < i >> 3; b++) count += BITS_SET[bits[b]];
    return count;
  }

  /* The rules of a class that parcel i breaks or that were not tested there: [{rule, value, isBroken}]. */
  panel.rulesAt = function (parcels, siteClass, k, i) {
    const found = [];
    parcels.ruleColumn[k].forEach((d, r) => {
      if (d < 0) return;
      const isBroken = isSet(parcels.columns["broken_" + d], i);
      if (isBroken || isSet(parcels.columns["untested_" + d], i)) {
        found.push({ rule: siteClass.rules[r], value: isBroken ? measured(parcels, d, i) : NaN, isBroken });
      }
    });
    return found;
  };

  panel.breaksRule = (parcels, k, r, i) =>
    parcels.ruleColumn[k][r] >= 0 && isSet(parcels.columns["broken_" + parcels.ruleColumn[k][r]], i);

  function measured(parcels, d, i) {
    const column = parcels.ruleColumns[d];
    if (column.values === "area") return panel.areaOf(parcels, i);
    if (column.values === "none") return NaN;
    const code = parcels.columns["measured_" + d][setBefore(parcels.columns["broken_" + d], i)];
    return code ? column.origin + code * column.step : NaN;
  }
})(suanzhiPanel);
