"""What one training step sees."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

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
    """The workflow's own payload."""

    def __getitem__(self, name: str) -> Tensor:
        """Return the tensor ``name``."""
        return self.tensors[name]

    def chance(self, *keys: int | str) -> np.random.Generator:
        """Return the generator for ``keys`` in this step."""
        return chance(self.seed, "step", self.step, *keys)


Draw = Callable[[int, int, int], Batch]
"""``draw(seed, step, size)``: a pure function; the same arguments give the same batch."""
