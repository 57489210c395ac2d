"""What results may depend on besides config and data: versions, platform, threads, devices."""

import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import torch

from aliter.core.errors import RequestError

_PACKAGES: Sequence[str] = ("aliter", "torch", "torchvision", "timm", "captum", "numpy", "zarr", "scikit-image")


def environment() -> dict[str, Any]:
    """Return what results may depend on: versions, platform, threads, devices."""
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": {name: version(name) for name in _PACKAGES},
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "devices": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
    }


def require_device(name: str) -> None:
    """Refuse a device that networks cannot run on here.

    Raises
    ------
    RequestError
        If it is none of cpu, cuda and mps, or is not there.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(name):
        here = " or ".join(one for one, found in there.items() if found)
        raise RequestError(f"expected a device that this machine has, {here}; found '{name}'; see 'aliter doctor'")
