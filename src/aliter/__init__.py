"""See microscopy images otherwise, and know how far to believe it."""

__version__ = "0.1.0"
