"""What a method that discovers concepts gives."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Concept:
    """Segments that go together."""

    members: Int[np.ndarray, " M"]
    """Those that stand for it, the most typical first."""
    group: Int[np.ndarray, " N"]
    """All that belong to it."""
    direction: Float[np.ndarray, " D"] | None = None
    """Its own direction in the activations, where the method gives one."""
