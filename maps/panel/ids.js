/* Ids of parcels: a beginning and a number, or text, see maps/_packing_ids.py. No string is held per parcel. */
"use strict";

(function (panel) {
  panel.readIds = function (block) {
    const { id_number: number, id_beginning: beginning, id_digits: digits } = block.arrays;
    const { n, beginnings } = block.meta;
    if (!number) return textIds(block.arrays.id_text, block.arrays.id_size);
    const at = (i) => beginnings[beginning[i]] + String(number[i]).padStart(digits[i], "0");
    return {
      at,
      rowOf(id) {
        const parts = /^(.*?)(\d{1,9})$/s.exec(id);
        if (!parts) return -1;
        const wanted = Number(parts[2]);
        for (let i = 0; i < n; i++) if (endsAlike(number[i], digits[i], wanted) && at(i) === id) return i;
        return -1;
      },
    };
  };

  // The beginning may end in digits too, so that only the last ones can be compared.
  const endsAlike = (number, digits, wanted) => number === wanted % Math.pow(10, digits);

  function textIds(text, sizes) {
    const start = new Uint32Array(sizes.length + 1);
    for (let i = 0; i < sizes.length; i++) start[i + 1] = start[i] + sizes[i];
    const decoder = new TextDecoder();
    const at = (i) => decoder.decode(text.subarray(start[i], start[i + 1]));
    return {
      at,
      rowOf(id) {
        const wanted = new TextEncoder().encode(id);
        for (let i = 0; i < sizes.length; i++) {
          if (sizes[i] === wanted.length && wanted.every((byte, k) => byte === text[start[i] + k])) return i;
        }
        return -1;
      },
    };
  }
})(suanzhiPanel);
