"""What one training step sees."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from aliter.core.rng import chance


@dataclass(frozen=True)
class Batch:
    """One step's tensors, by name, and the chance that belongs to the step."""

    step: int
    """Number of the step, from 0."""
    ids: tuple[str, ...]
    """Ids of the images in it: what an error names."""
    seed: int
    """Seed of the run it belongs to."""
    tensors: Mapping[str, Tensor]
    """The workflow's own payload; where the first axis is as long as ``ids``, it counts the images."""
    part: int = 0
    """Which part of a split batch it is, from 0."""

    def __getitem__(self, name: str) -> Tensor:
        """Return the tensor ``name``."""
        return self.tensors[name]

    def chance(self, *keys: int | str) -> np.random.Generator:
        """Return the generator for ``keys`` in this step; each part of a split batch has its own."""
        part = ("part", self.part) if self.part else ()
        return chance(self.seed, "step", self.step, *part, *keys)

    def split(self, parts: int) -> "tuple[Batch, ...]":
        """Return the batch in so many ``parts``, at most half as many as it has images.

        Halves stay halves: an image of the first half of the batch is in the first half of its part, so that an
        objective may treat halves differently. An odd image out is the last of the last part.
        """
        if parts == 1:
            return (self,)
        half = len(self.ids) // 2
        firsts = [list(range(part, half, parts)) for part in range(parts)]
        rows = [[*first, *(half + row for row in first)] for first in firsts]
        rows[-1] += range(2 * half, len(self.ids))
        return tuple(self._taken(chosen, part) for part, chosen in enumerate(rows))

    def _taken(self, rows: list[int], part: int) -> "Batch":
        count = len(self.ids)
        tensors = {
            name: value[rows] if value.ndim and len(value) == count else value for name, value in self.tensors.items()
        }
        return replace(self, ids=tuple(self.ids[row] for row in rows), tensors=tensors, part=part)


Draw = Callable[[int, int, int], Batch]
"""``draw(seed, step, size)``: a pure function; the same arguments give the same batch."""
