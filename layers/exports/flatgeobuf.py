"""FlatGeobuf: one file per layer, with a packed R-tree, which opens fast over a network and in QGIS."""

from __future__ import annotations

from pathlib import Path

from layers.exports.bundles import Bundle, described
from layers.exports.gdal_files import drafted, write_frame


def write_flatgeobuf(bundle: Bundle, folder: Path | str) -> tuple[Path, ...]:
    """Write each layer of a study as ``NAME.fgb``; title and sources stand in the file's head.

    Parameters
    ----------
    bundle
        The study.
    folder
        Where to write.

    Returns
    -------
    tuple of Path
        The files written.

    Raises
    ------
    ExportError
        A file cannot be written.
    """
    written = []
    for layer in bundle.layers:
        path = Path(folder) / f"{layer.name}{bundle.target.suffix}.fgb"
        options = {"SPATIAL_INDEX": "YES", "TITLE": layer.title.to(bundle.language),
                   "DESCRIPTION": described(layer, bundle.target).to(bundle.language)}
        with drafted(path) as draft:
            write_frame(layer.frame, draft, driver="FlatGeobuf", layer=layer.name, options=options)
        written.append(path)
    return tuple(written)
