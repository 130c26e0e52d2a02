"""What exists: how a layer is read, checked and written."""

from layers.loading import load_layers

__all__ = ["load_layers"]
