"""The kind of array that a function of either kind takes and gives."""

from typing import TypeVar

import numpy as np
from torch import Tensor

Array = TypeVar("Array", Tensor, np.ndarray)
"""A tensor or a NumPy array: what comes in goes out."""
