"""The command: where the four rooms meet."""

__version__ = "0.1.0"
