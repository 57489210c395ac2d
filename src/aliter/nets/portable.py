"""A network to take elsewhere: numbers as they are stored go in, numbers that mean something come out."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Shaped
from safetensors.torch import save
from torch import Tensor, nn

from aliter.core.errors import AliterError, RequestError

_jit: Any = torch.jit  # Its functions bear no types.
ONNX_OPSET = 18
"""Version of ONNX's operators that networks are written in."""
_LEEWAY = 1e-4
"""How far a copy may be from the network, for the largest number that it gives."""
_FOR_ONNX = ("onnx", "onnxscript", "onnxruntime")
Form = Literal["script", "program", "onnx"]
Axis = Literal["batch", "channel", "z", "y", "x"]
IMAGE: tuple[Axis, ...] = ("batch", "channel", "y", "x")
VOLUME: tuple[Axis, ...] = ("batch", "channel", "z", "y", "x")


@dataclass(frozen=True)
class Port:
    """An array that goes in or comes out: what it is called, its axes, what its channels are."""

    name: str
    axes: tuple[Axis, ...]
    channels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Portable:
    """A network with all it needs to be used where aliter is not: scales inside, an example, words."""

    net: nn.Module
    """What is copied, in eval mode: ports in, in their order, one tensor out."""
    weights: Mapping[str, nn.Module]
    """The networks inside as aliter builds them, whose weights are written under their own names."""
    says: str
    """What it does, in one sentence."""
    takes: Mapping[Port, Shaped[np.ndarray, "_ ..."]]
    """What goes in, each with an example: the first axis is the batch."""
    gives: Port

    @cached_property
    def answer(self) -> np.ndarray:
        """What the network gives for its example."""
        with torch.no_grad():
            return np.asarray(self.net(*self.example()).cpu().numpy())

    def example(self) -> tuple[Tensor, ...]:
        """Return the example as tensors, on the processor."""
        return tuple(torch.from_numpy(np.ascontiguousarray(array)) for array in self.takes.values())


class Scaled(nn.Module):
    """Numbers times ``gain`` plus ``offset``: one for all, or one for each channel."""

    gain: Tensor
    offset: Tensor

    def __init__(self, gain: np.ndarray | float, offset: np.ndarray | float, axes: int = 4) -> None:
        super().__init__()
        for name, value in (("gain", gain), ("offset", offset)):
            rows = torch.as_tensor(np.asarray(value, np.float32)).reshape(-1)
            self.register_buffer(name, rows.reshape(1, -1, *[1] * (axes - 2)))

    def forward(self, x: Float[Tensor, "B C *space"]) -> Float[Tensor, "B C *space"]:
        """Return the scaled numbers."""
        return x * self.gain + self.offset


def signing(declared: tuple[float, float], axes: int = 4) -> Scaled:
    """Return what maps the ``declared`` range to [-1, 1], as networks here see images."""
    low, high = declared
    return Scaled(2 / (high - low), -2 * low / (high - low) - 1, axes)


def unsigning(declared: tuple[float, float], axes: int = 4) -> Scaled:
    """Return what maps [-1, 1] to the ``declared`` range."""
    low, high = declared
    return Scaled((high - low) / 2, (high + low) / 2, axes)


def write_copies(one: Portable, folder: Path, forms: Sequence[Form]) -> tuple[str, ...]:
    """Write weights and programs of ``one`` to ``folder``, which is there; return the names of the files.

    ``weights.safetensors``, and of ``forms`` TorchScript ``model.pt``, a program of torch.export ``model.pt2``, and
    ``model.onnx``. Each of these is read again and asked about the example.

    Raises
    ------
    RequestError
        If what ONNX needs is not installed.
    AliterError
        If the network cannot be written so, or a copy answers otherwise.
    """
    if missing := [name for name in _FOR_ONNX if "onnx" in forms and find_spec(name) is None]:
        raise RequestError(f"expected {', '.join(missing)} for ONNX, found none; install aliter[onnx]")
    tensors = {
        f"{name}.{key}": value.detach().cpu().contiguous().clone()
        for name, net in one.weights.items()
        for key, value in net.state_dict().items()
    }
    (folder / "weights.safetensors").write_bytes(save(tensors, {"format": "pt"}))
    expected, example = one.answer, one.example()
    names = []
    for form in forms:
        name, write, read = _FORMS[form]
        path = folder / name
        try:
            with quiet(), torch.no_grad():
                write(one.net, example, path)
                found = read(path)(*example)
        except Exception as error:  # What becomes of a network in a compiler is open.
            line = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise AliterError(f"{path}: expected a network that can be written so, found: {line}") from error
        if np.abs(found - expected).max() > _LEEWAY * max(1.0, float(np.abs(expected).max())):
            raise AliterError(f"{path}: expected a copy that answers alike, found one that does not; report this")
        names.append(name)
    return ("weights.safetensors", *names)


_Written = Callable[[nn.Module, tuple[Tensor, ...], Path], object]
_Read = Callable[[Path], Callable[..., np.ndarray]]


def write_script(net: nn.Module, example: tuple[Tensor, ...], path: Path) -> None:
    """Write ``net`` as TorchScript, traced with ``example``."""
    _jit.save(_jit.trace(net, example, check_trace=False), path)


def _read_script(path: Path) -> Callable[..., np.ndarray]:
    net = _jit.load(path, map_location="cpu")
    return lambda *x: np.asarray(net(*x).numpy())


def _write_program(net: nn.Module, example: tuple[Tensor, ...], path: Path) -> None:
    torch.export.save(torch.export.export(net, example), path)


def _read_program(path: Path) -> Callable[..., np.ndarray]:
    net = torch.export.load(path).module()
    return lambda *x: np.asarray(net(*x).numpy())


def _write_onnx(net: nn.Module, example: tuple[Tensor, ...], path: Path) -> None:
    torch.onnx.export(net, example, path, dynamo=True, opset_version=ONNX_OPSET, external_data=False, verbose=False)


def _read_onnx(path: Path) -> Callable[..., np.ndarray]:
    from onnxruntime import InferenceSession

    session = InferenceSession(path.as_posix(), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    return lambda *x: np.asarray(session.run(None, {name: one.numpy() for name, one in zip(names, x, strict=True)})[0])


_FORMS: Mapping[Form, tuple[str, _Written, _Read]] = {
    "script": ("model.pt", write_script, _read_script),
    "program": ("model.pt2", _write_program, _read_program),
    "onnx": ("model.onnx", _write_onnx, _read_onnx),
}


@contextmanager
def quiet() -> Iterator[None]:
    """Keep torch from saying that TorchScript is deprecated: it is what others read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
