"""Files of weights, read without running anything that they may hold."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from aliter.core.errors import DataError, RequestError


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the named tensors in ``path``, without running anything that it may hold."""
    if not path.is_file():
        raise RequestError(f"{path}: expected a file of weights, found none; check the path")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise DataError(f"{path}: expected tensors by name, found what is not readable as such: {error}") from error
    found = found.get("state_dict", found) if isinstance(found, Mapping) else found
    if not isinstance(found, Mapping) or not all(isinstance(tensor, Tensor) for tensor in found.values()):
        raise DataError(f"{path}: expected tensors by name, found something else; save net.state_dict()")
    return dict(found)
