"""The file that a spec names."""

from __future__ import annotations

from pathlib import Path

from gis.errors import LayerNotFoundError
from layers.types import LayerSpec


def existing_file(spec: LayerSpec) -> Path:
    """Return the path of the spec's file.

    Parameters
    ----------
    spec
        ``path`` names the file.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    LayerNotFoundError
        There is no such file.
    """
    path = Path(spec.path)
    if spec.path and path.exists():
        return path
    raise LayerNotFoundError(
        f"layer {spec.name!r}: there is no file {spec.path or '(no path given)'}; check path under "
        f"[layers.{spec.name}] in the study file",
        f"图层 {spec.name!r}：找不到文件 {spec.path or '（未写 path）'}；"
        f"请检查方案文件 [layers.{spec.name}] 下的 path",
    )
