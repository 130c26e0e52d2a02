"""Geometry, coordinates and grids; this room knows no data centre."""
