"""Functions that take either kind of array."""

from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

Array = TypeVar("Array", Tensor, np.ndarray)
"""A tensor or a NumPy array: what comes in goes out."""


def as_tensor(array: Shaped[Tensor, "..."] | Shaped[np.ndarray, "..."]) -> Shaped[Tensor, "..."]:
    """Return ``array`` as a tensor, without a copy where torch can share its memory."""
    if isinstance(array, Tensor):
        return array
    return torch.from_numpy(np.require(array, requirements=("C", "W")))
