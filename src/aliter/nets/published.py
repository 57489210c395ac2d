"""Weights of pix2pixHD, and of what is like it, from the files that its code writes."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from aliter.core.errors import DataError, RequestError
from aliter.nets.patch import Discriminator

_FILES = {"generator": "latest_net_G.pth", "discriminator": "latest_net_D.pth"}


def load_published(folder: Path, nets: Mapping[str, nn.Module]) -> None:
    """Load what is in ``folder`` into ``generator``, ``enhancer`` and ``discriminator``; nothing is unpickled.

    Raises
    ------
    RequestError
        If there is no file of a generator.
    DataError
        If a file is not of networks of these sizes.
    """
    if not (folder / _FILES["generator"]).is_file():
        raise RequestError(f"{folder}: expected {_FILES['generator']}, found none; name the folder that holds it")
    load_generator(read_weights(folder / _FILES["generator"]), nets)
    if "discriminator" in nets and (folder / _FILES["discriminator"]).is_file():
        network = nets["discriminator"]
        assert isinstance(network, Discriminator)
        load_discriminator(read_weights(folder / _FILES["discriminator"]), network)


def load_generator(state: Mapping[str, Tensor], nets: Mapping[str, nn.Module]) -> None:
    """Load a generator whose weights begin with ``model.``; those of an enhancer with ``model1_1.`` and ``model1_2.``.

    Layers follow each other there as here, so weights are taken in their order; dropout, which shifts the numbers of
    layers, holds none.
    """
    local = [key for key in state if key.startswith("model1_")]
    trunk = [key for key in state if key.startswith("model.")]
    if bool(local) != ("enhancer" in nets):
        found = "one" if local else "none"
        raise DataError(f"expected weights {'with' if 'enhancer' in nets else 'without'} an enhancer, found {found}")
    generator, enhancer = nets["generator"], nets.get("enhancer")
    if enhancer is None:
        _fill([generator], state, trunk)
        return
    _fill([_part(generator, "features")], state, trunk)
    _fill([_part(enhancer, "front"), _part(enhancer, "back")], state, local)


def load_discriminator(state: Mapping[str, Tensor], network: Discriminator) -> None:
    """Load discriminators whose weights begin with ``scale<number>_layer``; there the last one sees full resolution."""
    count = len(network.scales)
    for place, scale in enumerate(network.scales):
        name = f"scale{count - 1 - place}_layer"
        keys = sorted((key for key in state if key.startswith(name)), key=lambda key: _order(key, name))
        _fill([scale], state, keys)


def _order(key: str, name: str) -> tuple[int, int, str]:
    layer, number, kind = key[len(name) :].split(".")
    return int(layer), int(number), "0" if kind == "weight" else "1"


def _part(net: nn.Module, name: str) -> nn.Module:
    found = getattr(net, name)
    assert isinstance(found, nn.Module)
    return found


def _fill(nets: Iterable[nn.Module], state: Mapping[str, Tensor], keys: list[str]) -> None:
    """Copy the tensors of ``keys`` into the parameters of ``nets``, one after the other."""
    keys = [key for key in keys if key.endswith((".weight", ".bias"))]
    parameters = [parameter for net in nets for parameter in net.parameters()]
    theirs, ours = [tuple(state[key].shape) for key in keys], [tuple(one.shape) for one in parameters]
    if theirs != ours:
        pairs = enumerate(zip(ours, theirs, strict=False))
        place = next((at for at, (one, other) in pairs if one != other), min(len(ours), len(theirs)))
        wanted, found = ((one[place] if place < len(one) else "no more") for one in (ours, theirs))
        raise DataError(
            f"expected weights of shape {wanted} at place {place}, found {found}; use the sizes of the file"
        )
    with torch.no_grad():
        for parameter, key in zip(parameters, keys, strict=True):
            parameter.copy_(state[key])


def read_weights(path: Path) -> Mapping[str, Tensor]:
    """Return the tensors of a file that torch wrote, by name; nothing is unpickled.

    Raises
    ------
    DataError
        If it holds anything else, or cannot be read.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise DataError(f"{path}: expected a file of weights, found what cannot be read safely ({error})") from error
    if not isinstance(found, Mapping) or not all(isinstance(one, Tensor) for one in found.values()):
        raise DataError(f"{path}: expected weights by name, found something else; save a state dict")
    return {key.removeprefix("module."): value for key, value in found.items()}
