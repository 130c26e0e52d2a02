/* Packed blocks: the text of <script type="application/octet-stream"> elements, see maps/packed_geometry.py. */
"use strict";

const suanzhiPanel = {};

(function (panel) {
  const SIZES = { u1: 1, u2: 2, u4: 4, i2: 2, i4: 4, f4: 4 };
  const ARRAYS = {
    u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, i2: Int16Array, i4: Int32Array, f4: Float32Array,
  };

  function bytesOfBase64(text) {
    const letters = atob(text.trim());
    const bytes = new Uint8Array(letters.length);
    for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
    return bytes;
  }

  async function gunzip(bytes) {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  /* Put the byte planes of one array together again; differences are summed up. */
  function readArray(bytes, start, entry) {
    const size = SIZES[entry.type];
    const mixed = new Uint8Array(entry.length * size);
    for (let plane = 0; plane < size; plane++) {
      const from = start + entry.offset + plane * entry.length;
      for (let i = 0, to = plane; i < entry.length; i++, to += size) mixed[to] = bytes[from + i];
    }
    const values = new ARRAYS[entry.type](mixed.buffer);
    if (entry.delta) for (let i = 1; i < values.length; i++) values[i] += values[i - 1];
    return values;
  }

  /* Unpack one block element: {meta, arrays}. Its text is dropped, the page needs it no more. */
  panel.readBlock = async function (element) {
    const bytes = await gunzip(bytesOfBase64(element.textContent));
    element.remove();
    const headerLength = new DataView(bytes.buffer).getUint32(4, true);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerLength)));
    const arrays = {};
    for (const entry of header.arrays) arrays[entry.name] = readArray(bytes, 8 + headerLength, entry);
    return { meta: header.meta, arrays };
  };
})(suanzhiPanel);
