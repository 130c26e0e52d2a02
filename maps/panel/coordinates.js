/* Where the pointer is: WGS84 degrees, the metric grid of the run, and GCJ-02. */
"use strict";

(function (panel) {
  const RADIANS = Math.PI / 180;
  // GCJ-02 is defined on the Krasovsky ellipsoid, as in gis/datum.py.
  const GCJ02 = { a: 6378245.0, e2: 0.00669342162296594323 };

  /* Degrees on the transverse Mercator grid {central_meridian, scale, false_easting, false_northing, a, f}: the series
     of Krueger (1912) to the fourth order, good to a millimetre within ten degrees of the meridian. */
  panel.toGrid = function (grid, lon, lat) {
    const n = grid.f / (2 - grid.f);
    const radius = (grid.a / (1 + n)) * (1 + n ** 2 / 4 + n ** 4 / 64);
    const series = [n / 2 - (2 * n ** 2) / 3 + (5 * n ** 3) / 16 + (41 * n ** 4) / 180,
      (13 * n ** 2) / 48 - (3 * n ** 3) / 5 + (557 * n ** 4) / 1440,
      (61 * n ** 3) / 240 - (103 * n ** 4) / 140, (49561 * n ** 4) / 161280];
    const e = Math.sqrt(grid.f * (2 - grid.f));
    const sine = Math.sin(lat * RADIANS);
    const t = Math.sinh(Math.atanh(sine) - e * Math.atanh(e * sine));
    const away = (lon - grid.central_meridian) * RADIANS;
    const xi = Math.atan2(t, Math.cos(away));
    const eta = Math.asinh(Math.sin(away) / Math.hypot(t, Math.cos(away)));
    let [east, north] = [eta, xi];
    series.forEach((factor, k) => {
      const order = 2 * (k + 1);
      north += factor * Math.sin(order * xi) * Math.cosh(order * eta);
      east += factor * Math.cos(order * xi) * Math.sinh(order * eta);
    });
    return [grid.false_easting + grid.scale * radius * east, grid.false_northing + grid.scale * radius * north];
  };

  /* WGS84 degrees in GCJ-02. */
  panel.toGcj02 = function (lon, lat) {
    const [x, y] = [lon - 105, lat - 35];
    const wave = (value, period) => Math.sin((value * Math.PI) / period);
    const ripple = ((20 * Math.sin(6 * Math.PI * x) + 20 * Math.sin(2 * Math.PI * x)) * 2) / 3;
    const root = Math.sqrt(Math.abs(x));
    const north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + ripple
      + ((20 * wave(y, 1) + 40 * wave(y, 3)) * 2) / 3 + ((160 * wave(y, 12) + 320 * wave(y, 30)) * 2) / 3;
    const east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + ripple
      + ((20 * wave(x, 1) + 40 * wave(x, 3)) * 2) / 3 + ((150 * wave(x, 12) + 300 * wave(x, 30)) * 2) / 3;
    const flat = 1 - GCJ02.e2 * Math.sin(lat * RADIANS) ** 2;
    return [lon + east / ((GCJ02.a / Math.sqrt(flat)) * Math.cos(lat * RADIANS)) / RADIANS,
      lat + north / ((GCJ02.a * (1 - GCJ02.e2)) / flat ** 1.5) / RADIANS];
  };

  /* Lines of a place: [[name, value]]. */
  panel.coordinatesOf = function (lon, lat) {
    const { grid } = panel.state.study;
    const degrees = ([a, b]) => a.toFixed(6) + ", " + b.toFixed(6);
    const lines = [["WGS84", degrees([lon, lat])]];
    if (grid) lines.push([grid.name, panel.toGrid(grid, lon, lat).map((value) => value.toFixed(1)).join(", ")]);
    lines.push(["GCJ-02", degrees(panel.toGcj02(lon, lat))]);
    return lines;
  };

  panel.makeCoordinates = function (map) {
    const shown = panel.element("div", { class: "coordinates" });
    const control = L.control({ position: "bottomright" });
    control.onAdd = () => shown;
    control.addTo(map);
    map.on("mousemove click", (event) => {
      const { lat, lng } = event.latlng.wrap();
      shown.replaceChildren(...panel.coordinatesOf(lng, lat).map(([name, value]) =>
        panel.element("div", {}, panel.element("small", { text: name }), panel.element("span", { text: value }))));
    });
  };
})(suanzhiPanel);
