"""What to paste into an issue: versions, processor, threads, devices, memory, disk; no names of people or machines."""

import os
import platform
import shutil
import sys
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
import torch.nn.functional as F

_PACKAGES = ("aliter", "torch", "torchvision", "timm", "captum", "zarr", "numpy")
_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "OMP_PROC_BIND",
    "KMP_AFFINITY",
    "KMP_BLOCKTIME",
    "MKL_ENABLE_INSTRUCTIONS",
    "ONEDNN_MAX_CPU_ISA",
    "CUDA_VISIBLE_DEVICES",
)
_FEATURES = {
    "AVX512": ("avx512f", "avx512_f"),
    "AVX512 VNNI": ("avx512_vnni",),
    "AVX512 BF16": ("avx512_bf16",),
    "AMX BF16": ("amx_bf16",),
    "SVE": ("sve",),
}


@dataclass(frozen=True)
class Row:
    """One fact about this machine."""

    name: str
    value: str


def doctor() -> tuple[Row, ...]:
    """Return what results and speed depend on here, with one measurement of about 0.1 s."""
    packages = [Row(name, _version(name)) for name in _PACKAGES]
    features = [name for name, flags in _FEATURES.items() if _flags() & set(flags)]
    memory = memory_total()
    variables = [f"{name}={os.environ[name]}" for name in _VARIABLES if name in os.environ]
    free = shutil.disk_usage(Path.cwd()).free
    ratio = bf16_speed()
    return (
        *packages,
        Row("python", sys.version.split()[0]),
        Row("platform", f"{platform.system()} {platform.machine()}, {'.'.join(platform.release().split('.')[:2])}"),
        Row("cores", str(os.cpu_count())),
        Row("torch threads", f"{torch.get_num_threads()}, {torch.get_num_interop_threads()} between operations"),
        Row("processor", ", ".join(dict.fromkeys([torch.backends.cpu.get_cpu_capability(), *features]))),
        Row("bf16", f"{ratio:.2g} times as fast as float32: {'worth trying' if ratio > 1.2 else 'keep float32'}"),
        Row("devices", ", ".join(_devices())),
        Row("memory", "unknown" if memory is None else f"{memory / 1e9:.1f} GB"),
        Row("disk free here", f"{free / 1e9:.1f} GB"),
        Row("environment", ", ".join(variables) or "none of the variables that set threads"),
    )


def memory_total() -> int | None:
    """Return the bytes of memory that processes here may use together; None where the system does not say."""
    limits = []
    if hasattr(os, "sysconf") and {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= os.sysconf_names.keys():
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    group = Path("/sys/fs/cgroup/memory.max")
    if group.is_file() and (text := group.read_text(encoding="ascii").strip()).isdigit():
        limits.append(int(text))
    return min(limits, default=None)


def bf16_speed(seconds: float = 0.025) -> float:
    """Return how many times as fast a small convolution is in bfloat16 as in float32, each timed for ``seconds``."""
    x, weight = torch.zeros(4, 32, 32, 32), torch.zeros(32, 32, 3, 3)
    return _rate(x.bfloat16(), weight.bfloat16(), seconds) / _rate(x, weight, seconds)


def _rate(x: torch.Tensor, weight: torch.Tensor, seconds: float) -> float:
    """Return convolutions a second."""
    x = x.contiguous(memory_format=torch.channels_last)
    weight = weight.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        F.conv2d(x, weight, padding=1)
        start, count = time.perf_counter(), 0
        while count == 0 or time.perf_counter() - start < seconds:
            F.conv2d(x, weight, padding=1)
            count += 1
        return count / (time.perf_counter() - start)


def _devices() -> list[str]:
    names = [f"cuda:{index} {torch.cuda.get_device_name(index)}" for index in range(torch.cuda.device_count())]
    return [*names, *(["mps"] if torch.backends.mps.is_available() else [])] or ["cpu only"]


def _flags() -> set[str]:
    """Return what the processor says that it can, in lower case; nothing where the system does not tell."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return set()
    lines = path.read_text(encoding="utf-8", errors="replace").lower().splitlines()
    found = [line for line in lines if line.startswith(("flags", "features"))]
    return set(found[0].partition(":")[2].split()) if found else set()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
