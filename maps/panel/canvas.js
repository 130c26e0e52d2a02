/* A canvas over the map that painters draw on; Leaflet's Renderer moves and scales it while the map moves. */
"use strict";

(function (panel) {
  panel.Canvas = L.Renderer.extend({
    options: { padding: 0.15 },

    initialize(painters, options) {
      L.Renderer.prototype.initialize.call(this, options);
      this.painters = painters;
    },

    _initContainer() {
      this._container = document.createElement("canvas");
      this._container.className = "suanzhi-canvas";
    },

    _destroyContainer() {
      this._container.remove();
      delete this._container;
    },

    _updatePaths() {},

    getEvents() {
      return { ...L.Renderer.prototype.getEvents.call(this), move: this._onMove };
    },

    /* A map that is dragged beyond what was drawn is drawn again on the way, once per frame at most. */
    _onMove() {
      const map = this._map;
      if (map._animatingZoom || this._isWaiting || !this._bounds) return;
      const corner = map.containerPointToLayerPoint([0, 0]);
      if (this._bounds.contains(L.bounds(corner, corner.add(map.getSize())))) return;
      this._isWaiting = true;
      requestAnimationFrame(() => {
        this._isWaiting = false;
        if (this._map && !this._map._animatingZoom) this._update();
      });
    },

    _update() {
      if (this._map._animatingZoom && this._bounds) return;
      L.Renderer.prototype._update.call(this);
      const size = this._bounds.getSize();
      const dots = panel.printDots || window.devicePixelRatio || 1;
      L.DomUtil.setPosition(this._container, this._bounds.min);
      this._container.width = Math.round(size.x * dots);
      this._container.height = Math.round(size.y * dots);
      this._container.style.width = size.x + "px";
      this._container.style.height = size.y + "px";
      const context = this._container.getContext("2d");
      context.setTransform(dots, 0, 0, dots, -this._bounds.min.x * dots, -this._bounds.min.y * dots);
      const view = viewOf(this._map, this._bounds);
      for (const painter of this.painters) painter(context, view);
    },

    redraw() {
      if (this._map) this._update();
    },
  });

  /* What a painter needs: pixels of layer points are `unit square * scale - origin`. */
  function viewOf(map, bounds) {
    const scale = 256 * Math.pow(2, map.getZoom());
    const origin = map.getPixelOrigin();
    return {
      zoom: map.getZoom(), scale, originX: origin.x, originY: origin.y,
      west: (bounds.min.x + origin.x) / scale, east: (bounds.max.x + origin.x) / scale,
      north: (bounds.min.y + origin.y) / scale, south: (bounds.max.y + origin.y) / scale,
    };
  }
})(suanzhiPanel);
