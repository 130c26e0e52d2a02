/* Fills many small polygons pixel by pixel. A canvas takes about 3 microseconds for each path, which is too slow for
   tens of thousands of them; a row of pixels that is filled here takes a few nanoseconds. */
"use strict";

(function (panel) {
  let crossings = new Float64Array(64);

  /* A picture of width x height pixels to be filled. */
  panel.newPicture = function (width, height) {
    const image = new ImageData(width, height);
    return { width, height, image, pixels: new Uint32Array(image.data.buffer) };
  };

  /* "#rrggbb" and an opacity as the pixel of a picture. */
  panel.pixelOf = function (colour, opacity) {
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
    const pixel = new Uint32Array(1);
    new Uint8Array(pixel.buffer).set([r, g, b, Math.round(opacity * 255)]);
    return pixel[0];
  };

  /* A square with a side of `side` pixels round a place. */
  panel.fillSquare = function (picture, x, y, side, pixel) {
    const left = Math.max(0, Math.round(x - side / 2));
    const top = Math.max(0, Math.round(y - side / 2));
    const right = Math.min(picture.width, Math.round(x - side / 2) + side);
    const bottom = Math.min(picture.height, Math.round(y - side / 2) + side);
    for (let row = top; row < bottom; row++) {
      const from = row * picture.width;
      for (let at = from + left; at < from + right; at++) picture.pixels[at] = pixel;
    }
  };

  /* Polygon i by the even-odd rule; pixels are steps * unit + shift. The ends of its rows take the pixel `edge`;
     `paint` gives the others: {pixel}, or {pixel, stripe, p, q, period, width} for hatching. */
  panel.fillPolygon = function (picture, shapes, i, unit, shiftX, shiftY, paint, edge) {
    const firstRow = Math.max(0, Math.ceil(shapes.minY[i] * unit + shiftY - 0.5));
    const lastRow = Math.min(picture.height - 1, Math.ceil(shapes.maxY[i] * unit + shiftY - 0.5) - 1);
    for (let row = firstRow; row <= lastRow; row++) {
      const n = crossingsOf(shapes, i, (row + 0.5 - shiftY) / unit);
      const isRim = row === firstRow || row === lastRow;
      for (let c = 0; c + 1 < n; c += 2) {
        const from = Math.max(0, Math.ceil(crossings[c] * unit + shiftX - 0.5));
        const to = Math.min(picture.width - 1, Math.ceil(crossings[c + 1] * unit + shiftX - 0.5) - 1);
        fillSpan(picture, row, from, to, paint, edge, isRim);
      }
    }
  };

  /* Where the outline crosses a line from west to east, in rising order; returns how many times. */
  function crossingsOf(shapes, i, line) {
    const { x, y } = shapes;
    let n = 0;
    for (let p = shapes.pathStart[i]; p < shapes.pathStart[i + 1]; p++) {
      const end = shapes.vertexStart[p + 1];
      for (let a = shapes.vertexStart[p], b = end - 1; a < end; b = a++) {
        if ((y[a] > line) === (y[b] > line)) continue;
        const at = x[a] + ((x[b] - x[a]) * (line - y[a])) / (y[b] - y[a]);
        if (n === crossings.length) crossings = doubled(crossings);
        let k = n++;
        for (; k > 0 && crossings[k - 1] > at; k--) crossings[k] = crossings[k - 1];
        crossings[k] = at;
      }
    }
    return n;
  }

  function doubled(array) {
    const larger = new Float64Array(2 * array.length);
    larger.set(array);
    return larger;
  }

  function fillSpan(picture, row, from, to, paint, edge, isRim) {
    if (to < from) return;
    const { pixels } = picture;
    const start = row * picture.width;
    if (isRim && edge) pixels.fill(edge, start + from, start + to + 1);
    else if (!paint.stripe) pixels.fill(paint.pixel, start + from, start + to + 1);
    else {
      for (let at = from; at <= to; at++) {
        const phase = (((at * paint.p + row * paint.q) % paint.period) + paint.period) % paint.period;
        pixels[start + at] = phase < paint.width ? paint.stripe : paint.pixel;
      }
    }
    if (edge) {
      pixels[start + from] = edge;
      pixels[start + to] = edge;
    }
  }
})(suanzhiPanel);
