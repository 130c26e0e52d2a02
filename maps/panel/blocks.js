/* Packed blocks: the text of <script type="application/octet-stream"> elements, see maps/_packing_block.py. */
"use strict";

const suanzhiPanel = {};

(function (panel) {
  const SIZES = { u1: 1, u2: 2, u4: 4, i2: 2, i4: 4, f4: 4 };
  const ARRAYS = {
    u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, i2: Int16Array, i4: Int32Array, f4: Float32Array,
  };

  function bytesOfBase64(text) {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
    const letters = atob(text);
    const bytes = new Uint8Array(letters.length);
    for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
    return bytes;
  }

  /* The bytes of an element's text, piece by piece: a browser holds long texts in pieces, of any length. */
  function* piecesOf(element) {
    let rest = "";
    for (const node of element.childNodes) {
      const text = rest + node.data.trim();
      const whole = text.length - (text.length % 4);
      rest = text.slice(whole);
      yield bytesOfBase64(text.slice(0, whole));
    }
  }

  /* Gives the unpacked bytes of an element in the portions that are asked for; never holds all of them. */
  class Feed {
    constructor(element) {
      const stream = new DecompressionStream("gzip");
      this.reader = stream.readable.getReader();
      this.held = new Uint8Array(0);
      this.at = 0;
      this.written = this.write(element, stream.writable.getWriter());
    }

    async write(element, writer) {
      for (const piece of piecesOf(element)) await writer.write(piece);
      await writer.close();
    }

    async take(size) {
      const bytes = new Uint8Array(size);
      for (let filled = 0; filled < size;) {
        if (this.at === this.held.length) {
          const { value, done } = await this.reader.read();
          if (done) throw new Error("packed block ends too early");
          this.held = value;
          this.at = 0;
        }
        const portion = this.held.subarray(this.at, Math.min(this.held.length, this.at + size - filled));
        bytes.set(portion, filled);
        filled += portion.length;
        this.at += portion.length;
      }
      return bytes;
    }

    async finish() {
      await this.written;
      while (!(await this.reader.read()).done);
    }
  }

  /* Put the byte planes of one array together; differences are unfolded and summed up. */
  function readArray(bytes, entry) {
    const size = SIZES[entry.stored];
    const n = entry.length;
    let stored = bytes;
    if (size > 1) {
      const mixed = new Uint8Array(n * size);
      for (let plane = 0; plane < size; plane++) {
        for (let i = 0, from = plane * n, to = plane; i < n; i++, from++, to += size) mixed[to] = bytes[from];
      }
      stored = new ARRAYS[entry.stored](mixed.buffer);
    }
    if (!entry.delta) return entry.stored === entry.type ? stored : new ARRAYS[entry.type](stored);
    const values = new ARRAYS[entry.type](n);
    for (let i = 0, last = 0; i < n; i++) {
      last = (last + ((stored[i] >>> 1) ^ -(stored[i] & 1))) | 0;
      values[i] = last;
    }
    return values;
  }

  /* Unpack one block element: {meta, arrays}. The element is dropped, the page needs it no more. */
  panel.readBlock = async function (element) {
    const feed = new Feed(element);
    const headerLength = new DataView((await feed.take(8)).buffer).getUint32(4, true);
    const header = JSON.parse(new TextDecoder().decode(await feed.take(headerLength)));
    const arrays = {};
    for (const entry of header.arrays) {
      arrays[entry.name] = readArray(await feed.take(entry.length * SIZES[entry.stored]), entry);
    }
    await feed.finish();
    element.remove();
    return { meta: header.meta, arrays };
  };
})(suanzhiPanel);
