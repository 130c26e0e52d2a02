/* Basemaps: none until the reader chooses one. Tiles in GCJ-02 are moved under the overlays, which stay in WGS84. */
"use strict";

(function (panel) {
  const el = panel.element;
  const STEPS = 5;
  let shown = null;
  let typedKey = "";
  let parts = null;

  /* GCJ-02 degrees in WGS84: the fixed point of the forward formula, as in gis/datum.py. */
  panel.fromGcj02 = function (lon, lat) {
    let [x, y] = [lon, lat];
    for (let step = 0; step < STEPS; step++) {
      const [east, north] = panel.toGcj02(x, y);
      [x, y] = [x - (east - lon), y - (north - lat)];
    }
    return [x, y];
  };

  /* Each tile is moved by the shift at its middle; within one tile the shift changes by less than a pixel. */
  const Gcj02Tiles = L.TileLayer.extend({
    _getTilePos(coords) {
      const size = this.getTileSize();
      const middle = coords.scaleBy(size).add(size.divideBy(2));
      const place = this._map.unproject(middle, coords.z);
      const [lon, lat] = panel.fromGcj02(place.lng, place.lat);
      const shift = this._map.project([lat, lon], coords.z).subtract(middle);
      return L.TileLayer.prototype._getTilePos.call(this, coords).add(shift);
    },

    /* The tiles in sight are those round the GCJ-02 place of the middle. */
    _getTiledPixelBounds(centre) {
      const [lon, lat] = panel.toGcj02(centre.lng, centre.lat);
      return L.TileLayer.prototype._getTiledPixelBounds.call(this, L.latLng(lat, lon));
    },
  });

  /* The part of the layer list where a basemap is chosen. */
  panel.basemapPart = function () {
    const { maps } = panel.state.study.basemap;
    const choices = [["", panel.phrase("basemap_none")], ...maps.map(({ key, title }) => [key, title])];
    parts = { key: keyPart(), note: el("small", { class: "fine", role: "status" }) };
    return el("fieldset", { class: "basemaps" },
      el("legend", {}, panel.bilingual(panel.phrase("basemap"), panel.state.study.phrases_minor.basemap)),
      ...choices.map(([key, title]) => {
        const input = el("input", { type: "radio", name: "basemap", value: key, checked: key === "" });
        input.addEventListener("change", () => panel.setBasemap(key));
        return el("label", { class: "layer" }, input, el("span", { text: title }));
      }), parts.key, parts.note);
  };

  /* A key is asked for in the page, and held in memory alone. */
  function keyPart() {
    const input = el("input", { type: "password", autocomplete: "off", class: "key", "aria-label": panel.phrase("basemap_key"),
      placeholder: panel.phrase("basemap_key") });
    const use = el("button", { type: "button", text: panel.phrase("basemap_use") });
    const part = el("form", { class: "key-part", hidden: true }, input, use);
    const take = () => {
      typedKey = input.value.trim();
      panel.setBasemap("tianditu");
    };
    use.addEventListener("click", take);
    part.addEventListener("submit", (event) => {
      event.preventDefault();
      take();
    });
    return part;
  }

  /* Show a basemap by its key; "" for none. A second argument is the reader's key of its provider. */
  panel.setBasemap = function (key, ownKey) {
    const { study, map } = panel.state;
    const chosen = study.basemap.maps.find((one) => one.key === key);
    if (key && !chosen) throw new Error("unknown basemap " + key);
    if (ownKey) typedKey = String(ownKey);
    const providerKey = typedKey || study.basemap.tianditu_key;
    document.querySelectorAll("input[name='basemap']").forEach((input) => { input.checked = input.value === key; });
    if (shown) shown.remove();
    shown = null;
    const isWaiting = Boolean(chosen && chosen.needs_key && !providerKey);
    parts.key.hidden = !(chosen && chosen.needs_key);
    parts.note.textContent = !chosen ? "" : isWaiting ? panel.phrase("basemap_key_note") : chosen.attribution;
    document.querySelector(".footer .tiles").textContent = chosen && !isWaiting ? chosen.attribution : "";
    if (!chosen || isWaiting) return;
    const Tiles = chosen.datum === "gcj02" ? Gcj02Tiles : L.TileLayer;
    shown = L.layerGroup(chosen.urls.map((url) => new Tiles(url, { subdomains: chosen.subdomains || "a",
      key: encodeURIComponent(providerKey), maxNativeZoom: 18, maxZoom: 18, keepBuffer: 1, className: "basemap-tile" })
      .on("tileerror", () => { parts.note.textContent = panel.phrase("basemap_failed"); }))).addTo(map);
  };
})(suanzhiPanel);
