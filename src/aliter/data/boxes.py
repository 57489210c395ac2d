"""Boxes around objects in images, and what is in them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8

from aliter.data import layout

FIGURE, LOOK_ALIKE = 1, 2
"""Labels: what is looked for, and what is easily taken for it."""


@dataclass(frozen=True)
class Boxes:
    """Boxes of many images, in the order of the images."""

    image: Int[np.ndarray, " N"]
    """Number of the image that each is in."""
    corners: Float32[np.ndarray, "N 4"]
    """Left, top, right, bottom in pixels; right and bottom are where the next pixel begins."""
    label: UInt8[np.ndarray, " N"]
    """1 is a figure, 2 a look-alike."""
    kind: UInt8[np.ndarray, " N"]
    """What a simulator drew; 0 where that is not known."""

    def __len__(self) -> int:
        """Return the number of boxes."""
        return len(self.image)

    def where(self, chosen: Bool[np.ndarray, " N"] | Int[np.ndarray, " M"]) -> "Boxes":
        """Return those that are ``chosen``."""
        return Boxes(self.image[chosen], self.corners[chosen], self.label[chosen], self.kind[chosen])

    def of(self, image: int, label: int | None = None) -> "Boxes":
        """Return those in one image, of one label or of all."""
        chosen = self.image == image
        return self.where(chosen if label is None else chosen & (self.label == label))

    @property
    def centres(self) -> Float32[np.ndarray, "N 2"]:
        """The middle of each: x, y."""
        return np.asarray((self.corners[:, :2] + self.corners[:, 2:]) / 2)

    def write(self, path: Path) -> None:
        """Add them to the store at ``path``."""
        root = layout.open_store(path, "a")
        for name, axes in (("image", ("box",)), ("corners", ("box", "side")), ("label", ("box",)), ("kind", ("box",))):
            values = getattr(self, name)
            layout.create(root, f"boxes/{name}", values.shape, values.dtype, axes)[...] = values

    @classmethod
    def read(cls, path: Path) -> "Boxes":
        """Return those in the store at ``path``."""
        root = layout.open_store(path)
        found = (np.asarray(layout.array(root, f"boxes/{name}")[...]) for name in ("image", "corners", "label", "kind"))
        return cls(*found)
