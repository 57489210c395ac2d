"""A classifier of the user's own, from a file: TorchScript, a program of torch.export, or weights for timm."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from jaxtyping import Float
from pydantic import field_validator
from torch import Tensor, nn

from aliter.core.errors import AliterError, DataError, RequestError
from aliter.core.rng import chance
from aliter.core.spec import Spec
from aliter.nets.blocks import LOADED
from aliter.nets.portable import quiet, write_script
from aliter.nets.timm import Timm

_TOLERANCE = 1e-3
"""How far answers may differ, for their size, before the images beside one or chance must be the cause."""
_jit: Any = torch.jit  # Its functions bear no types.


class Own(Spec):
    """A classifier that was trained elsewhere, used as it is: TorchScript, a program of torch.export, or weights.

    The first two are code that runs when it is loaded; they are loaded only where that was allowed.
    """

    kind: Literal["own"] = "own"
    path: Path
    """The file, as ``torch.jit.save`` or ``torch.export.save`` wrote it; for any number of images, in eval mode."""
    timm: str | None = None
    """Name in timm of the network whose weights the file holds, where it holds no more than that."""
    expects: tuple[float, float] = (-1.0, 1.0)
    """Values that it takes where other networks here take -1 and 1: the ends of the range of the images."""
    gives: Literal["logits", "probabilities"] = "logits"
    classes: tuple[str, ...] | None = None
    """Names of what it gives, in order. None: those of the images, in theirs."""

    @field_validator("expects")
    @classmethod
    def _ascending(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not value[0] < value[1]:
            raise ValueError("expected [low, high] with low < high")
        return value

    def load(self, shape: tuple[int, ...], classes: Sequence[str], trust: bool) -> "Adapted":
        """Return the network from images ``(B, *shape)`` in [-1, 1] to logits ``(B, K)``, ``classes`` in order.

        Raises
        ------
        RequestError
            If there is no such file, it is not trusted, or what it holds is no classifier of such images and classes,
            cannot be differentiated, or is in training mode.
        DataError
            If the file holds no program.
        """
        if not self.path.is_file():
            raise RequestError(f"{self.path}: expected a file with a classifier, found none; check the path")
        if self.timm is None and not trust:
            raise RequestError(
                f"{self.path}: expected leave to load this model, found none: such a file is code, and it runs; "
                "add --trust if the file is yours"
            )
        order = _order(self.classes or tuple(classes), tuple(classes), self.path)
        found = _read(self.path) if self.timm is None else _filled(self.timm, self.path, shape, len(classes))
        for parameter in found.parameters():
            parameter.requires_grad_(False)
        net = Adapted(found, self.expects, self.gives, order)
        _try(net, shape, self.path)
        return net


class Adapted(nn.Module):
    """A network made like the others here: images in [-1, 1] to logits, classes in the order of the images.

    It stays in eval mode, whatever it is told.
    """

    def __init__(
        self, net: nn.Module, expects: tuple[float, float], gives: Literal["logits", "probabilities"], order: list[int]
    ) -> None:
        super().__init__()
        self.net, self.expects, self.gives, self.order = net, expects, gives, order
        self.training = False

    def train(self, mode: bool = True) -> "Adapted":
        """Return itself, unchanged."""
        return self

    def forward(self, x: Float[Tensor, "B C *space"]) -> Float[Tensor, "B K"]:
        """Return the logits; of probabilities, their logarithms."""
        low, high = self.expects
        given = x if self.expects == (-1.0, 1.0) else (x + 1) * ((high - low) / 2) + low
        found = _checked(self.net(given), len(self.order), self.gives)
        logits = found.clamp_min(torch.finfo(found.dtype).tiny).log() if self.gives == "probabilities" else found
        return logits if self.order == sorted(self.order) else logits[:, self.order]


def save_script(net: nn.Module, shape: tuple[int, ...], path: Path) -> None:
    """Write ``net``, in eval mode, as TorchScript for any number of images of ``shape``: PyTorch alone can load it.

    Raises
    ------
    AliterError
        If the network cannot be traced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    example = torch.zeros(2, *shape, device=next((one.device for one in net.parameters()), None))
    try:
        with quiet(), torch.no_grad():
            write_script(net.eval(), (example,), path)
    except (RuntimeError, TypeError, ValueError) as error:
        raise AliterError(
            f"expected a network that TorchScript can trace, found one that it cannot: {error}"
        ) from error


def _read(path: Path) -> nn.Module:
    """Return the module in ``path``; this runs what it holds."""
    kind = _kind(path)
    try:
        with quiet():
            if kind == "program":
                return torch.export.load(path).module()
            script: nn.Module = _jit.load(path, map_location="cpu")
            return script.eval()
    except Exception as error:  # What a foreign program does when it is loaded is open.
        raise DataError(f"{path}: expected a model, found one that cannot be loaded: {_line(error)}") from error


def _filled(name: str, path: Path, shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return the network ``name`` of timm with all its weights from ``path``, head included."""
    net = Timm(name=name, weights=path).build(shape[0], shape[1], classes)
    missing = sorted(set(net.state_dict()) - getattr(net, LOADED))
    if missing:
        raise RequestError(
            f"{path}: expected all weights of a '{name}' for {classes} classes, found none that fit "
            f"{', '.join(missing[:3])}; to train such parts anew use 'kind: timm' with 'weights'"
        )
    return net.eval()


def _kind(path: Path) -> Literal["script", "program"]:
    """Return what ``path`` holds, by the names of its parts; nothing of it is run."""
    try:
        with ZipFile(path) as archive:
            names = [name.partition("/")[2] for name in archive.namelist()]
    except (BadZipFile, OSError) as error:
        raise DataError(f"{path}: expected TorchScript or a program of torch.export, found another file") from error
    if any(name.startswith("models/") for name in names):
        return "program"
    if any(name.startswith("code/") for name in names):
        return "script"
    raise DataError(
        f"{path}: expected TorchScript or a program of torch.export, found weights alone; "
        "name their network, if timm has it, under 'timm', else save it with torch.jit.save or torch.export.save"
    )


def _order(given: tuple[str, ...], wanted: tuple[str, ...], path: Path) -> list[int]:
    """Return where each wanted class stands among the given ones."""
    if sorted(given) != sorted(wanted):
        raise RequestError(
            f"{path}: expected the classes of the images, {', '.join(wanted)}; found {', '.join(given)}; "
            "name what the model gives under 'classes', in its order"
        )
    return [given.index(name) for name in wanted]


def _checked(found: Any, classes: int, gives: Literal["logits", "probabilities"]) -> Float[Tensor, "B K"]:
    """Return what a network gave if it is a row of ``classes`` numbers for each image."""
    if not isinstance(found, Tensor) or found.ndim != 2 or found.shape[1] != classes:
        what = " x ".join(map(str, found.shape)) if isinstance(found, Tensor) else f"a {type(found).__name__}"
        raise RequestError(f"expected a model that gives {gives} (images, {classes}), found {what}; wrap it so")
    return found.float()


def _try(net: Adapted, shape: tuple[int, ...], path: Path) -> None:
    """Refuse a network that would give wrong explanations without a word."""
    drawn = chance(0, "own").uniform(-1, 1, (3, *shape)).astype(np.float32)
    x = torch.from_numpy(drawn).requires_grad_()
    try:
        together, alone = net(x), net(x[:1])
    except RequestError as error:
        raise RequestError(f"{path}: {error}") from error
    except Exception as error:  # What a foreign program does is open.
        size = " x ".join(map(str, shape))
        raise RequestError(
            f"{path}: expected a model for any number of images of {size}, found that it fails on 3 and 1: "
            f"{_line(error)}; save it for such images, the first dimension free"
        ) from error
    if not together.requires_grad:
        raise RequestError(f"{path}: expected a model with a gradient, found none; save it outside torch.no_grad()")
    if not torch.allclose(together[:1], alone, rtol=_TOLERANCE, atol=_TOLERANCE):
        raise RequestError(
            f"{path}: expected the same answer to the same image, found one that depends on chance or on the images "
            "beside it, as in training mode; call eval() before the model is saved"
        )
    _assert_scale(net, together.detach(), path)


def _assert_scale(net: Adapted, logits: Float[Tensor, "B K"], path: Path) -> None:
    """Refuse probabilities that are called logits, and the reverse: both would pass without a word."""
    as_given = logits.exp() if net.gives == "probabilities" else logits
    sums = as_given.sum(1)
    alike = bool((as_given >= 0).all()) and torch.allclose(sums, torch.ones_like(sums), atol=1e-4)
    if alike != (net.gives == "probabilities"):
        found, other = ("probabilities", "logits")[:: 1 if alike else -1]
        raise RequestError(f"{path}: expected {other}, found {found}; say 'gives: {found}'")


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
