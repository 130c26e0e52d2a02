"""GeoJSON text sequences (RFC 8142): one feature per record, for pipes and streaming readers."""

from __future__ import annotations

from pathlib import Path

from layers.exports.bundles import Bundle, StudyLayer
from layers.exports.cell_texts import column_texts, json_text
from layers.exports.files import replace_file
from layers.exports.geojson import geometry_texts, id_texts
from layers.exports.targets import Target, in_degrees

_SEPARATOR = "\x1e"
_BLOCK = 20_000


def write_geojson_sequence(bundle: Bundle, folder: Path | str) -> tuple[Path, ...]:
    """Write each layer of a study as ``NAME.geojsons``: longitude and latitude, seven decimals.

    GeoJSON knows degrees alone: where another EPSG code was asked for, the files are in WGS84 all the same.

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
    return tuple(_write(layer, bundle.target, Path(folder) / f"{layer.name}{bundle.target.suffix}.geojsons")
                 for layer in bundle.layers)


def _write(layer: StudyLayer, target: Target, path: Path) -> Path:
    slots = ",".join(json_text(name).replace("%", "%%") + ":%s" for name in layer.columns)
    template = f'{_SEPARATOR}{{"type":"Feature","id":%s,"properties":{{{slots}}},"geometry":%s}}\n'
    with replace_file(path) as partial, partial.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        for start in range(0, len(layer.frame), _BLOCK):
            block = layer.frame.iloc[start:start + _BLOCK]
            texts = column_texts(block)
            rows = zip(id_texts(block[layer.id_column]), *(texts[name].for_json for name in layer.columns),
                       geometry_texts(in_degrees(block, target)), strict=True)
            file.write("".join([template % row for row in rows]))
    return path
