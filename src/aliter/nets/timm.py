"""The many classifiers of timm, with weights from a file."""

import difflib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from aliter.core.errors import RequestError
from aliter.core.spec import Spec
from aliter.nets.blocks import LOADED
from aliter.nets.weights import read_weights

_log = logging.getLogger(__name__)


class Timm(Spec):
    """Any image classifier that timm knows. Nothing is ever downloaded.

    References
    ----------
    Wightman 2019, PyTorch image models, doi:10.5281/zenodo.4414861.
    """

    kind: Literal["timm"] = "timm"
    name: str = "resnet18"
    """Name in timm, such as ``resnet18`` or ``vit_tiny_patch16_224``."""
    weights: Path | None = None
    """A file of weights to start from: .safetensors, or a state dictionary as .pth. A head for other classes is left
    out; a first layer for 3 channels is fitted to the channels of the images."""

    def build(self, channels: int, size: int, classes: int) -> nn.Module:
        """Return the network from images ``(B, channels, size, size)`` in [-1, 1] to logits ``(B, classes)``.

        Raises
        ------
        RequestError
            If timm does not know the name, there is no such file, or the weights are those of another network.
        DataError
            If the file is not readable as weights.
        """
        import timm

        base = self.name.partition(".")[0]
        if not timm.is_model(base):
            near = difflib.get_close_matches(base, timm.list_models(), n=1)
            hint = f"did you mean '{near[0]}'?" if near else "see timm.list_models()"
            raise RequestError(f"expected the name of a model in timm, found '{self.name}'; {hint}")
        shape: dict[str, Any] = {"in_chans": channels, "num_classes": classes}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            net = timm.create_model(base, **shape | ({"img_size": size} if _has_fixed_size(base) else {}))
        if self.weights is not None:
            _load(net, self.weights, channels)
        return net


def _has_fixed_size(name: str) -> bool:
    """Return whether the model must be told the size of its images."""
    import timm

    known = timm.get_pretrained_cfg(name)
    return bool(known and known.fixed_input_size)


def _load(net: nn.Module, path: Path, channels: int) -> None:
    """Copy the weights in ``path`` into ``net``, and note there which ``initialise`` is to leave alone."""
    given, wanted = _fitted(net, read_weights(path), channels), net.state_dict()
    heads = _names(net, "classifier")
    left_out = [
        name
        for name in sorted(given, reverse=True)
        if _is_in(name, heads) and _shape(given, name) != _shape(wanted, name)
    ]
    kept = {name: tensor for name, tensor in given.items() if name not in left_out}
    wrong = [
        f"{name} ({_shape(given, name)} in the file, {_shape(wanted, name)} in the network)"
        for name in sorted(kept.keys() | wanted.keys())
        if _shape(kept, name) != _shape(wanted, name) and not _is_in(name, heads)
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise RequestError(
            f"{path}: expected weights of this network, found others: {', '.join(wrong[:3])}{more}; "
            "name the network that they were trained in"
        )
    net.load_state_dict(wanted | kept)
    setattr(net, LOADED, frozenset(kept))
    if left_out:
        _log.info("%s: left out %s, made for other classes; the head starts anew", path, ", ".join(left_out))


def _fitted(net: nn.Module, given: dict[str, Tensor], channels: int) -> dict[str, Tensor]:
    """Return ``given`` with the first layer, if made for 3 channels, fitted to ``channels`` as timm does it."""
    from timm.models import adapt_input_conv

    names = [f"{name}.weight" for name in _names(net, "first_conv")]
    fits = {name: given[name] for name in names if name in given and given[name].shape[1] == 3 != channels}
    if fits:
        _log.info("fitted %s from 3 to %d channels", ", ".join(fits), channels)
    return given | {name: adapt_input_conv(channels, weight) for name, weight in fits.items()}


def _names(net: nn.Module, role: str) -> tuple[str, ...]:
    """Return the names of the layers that have ``role`` in what timm knows of ``net``."""
    known = getattr(net, "default_cfg", {}).get(role) or ()
    return (known,) if isinstance(known, str) else tuple(known)


def _is_in(name: str, layers: tuple[str, ...]) -> bool:
    return any(name.startswith(f"{layer}.") for layer in layers)


def _shape(tensors: Mapping[str, Tensor], name: str) -> str:
    return " x ".join(str(length) for length in tensors[name].shape) or "one number" if name in tensors else "nothing"
