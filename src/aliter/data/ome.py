"""What OME metadata says of an image: names of channels, sizes of pixels."""

from dataclasses import dataclass
from typing import Any

from tifffile import TiffFile, xml2dict

UM = {
    "micrometer": 1.0,
    "µm": 1.0,
    "um": 1.0,
    "nanometer": 1e-3,
    "nm": 1e-3,
    "millimeter": 1e3,
    "mm": 1e3,
    "angstrom": 1e-4,
    "meter": 1e6,
    "m": 1e6,
}
"""Micrometres in units of length, by the names that OME gives them."""


@dataclass(frozen=True)
class Said:
    """What a file tells beside its values."""

    channels: tuple[str, ...] = ()
    pixel_um: tuple[float, ...] = ()
    """Of z, y, x; nothing at all where one of them is not told."""


def describe_ome(file: TiffFile) -> Said:
    """Return what the OME-XML of a TIFF file says; what it does not say is left empty."""
    found = xml2dict(file.ome_metadata or "").get("OME", {})
    image = found.get("Image", {}) if isinstance(found, dict) else {}
    pixels = image.get("Pixels", {}) if isinstance(image, dict) else {}
    listed = pixels.get("Channel", [])
    channels = listed if isinstance(listed, list) else [listed]
    names = tuple(str(one.get("Name", "")) for one in channels if isinstance(one, dict))
    sizes = tuple(_um(pixels, axis) for axis in ("Y", "X"))
    depth = _um(pixels, "Z") or 1.0
    return Said(names if all(names) else (), (depth, *sizes) if all(sizes) else ())


def _um(pixels: dict[str, Any], axis: str) -> float:
    size, unit = pixels.get(f"PhysicalSize{axis}", 0), pixels.get(f"PhysicalSize{axis}Unit", "µm")
    return float(size) * UM.get(str(unit), 0.0)
