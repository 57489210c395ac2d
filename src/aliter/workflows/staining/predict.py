"""Stain the fields that were not learned from."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from jaxtyping import Float32
from pydantic import NonNegativeInt, PositiveInt, field_validator
from torch import nn

from aliter.core.rng import torch_seed
from aliter.core.spec import Spec
from aliter.data.blocks import Blank, Compute, Task, fill
from aliter.data.layout import IMAGE
from aliter.data.run import Run
from aliter.nets.blend import blended
from aliter.nets.dropout import sampled
from aliter.workflows.staining.foreign import foreign
from aliter.workflows.staining.pairs import Pairs, pairs_of
from aliter.workflows.staining.regress import regressor_of, regressor_period
from aliter.workflows.staining.translate import generator_of, period_of

if TYPE_CHECKING:
    from aliter.workflows.staining import Config

Method = Literal["regression", "gan"]
METHODS: tuple[Method, ...] = ("regression", "gan")
_Image = Float32[np.ndarray, "_ H W"]
Stainer = Callable[[_Image, tuple[int | str, ...] | None], _Image]
"""From channels as networks see them to stains in their own units; with keys, a draw that belongs to these keys."""


class Predicting(Spec):
    """How fields are cut into tiles: networks that normalise what they see are best shown as much as they learned."""

    tile_px: PositiveInt = 256
    overlap_px: NonNegativeInt = 32
    """Pixels over which neighbouring tiles fade into each other."""
    others: dict[str, Path] = {}
    """Predictions made elsewhere, by name: a plate of OME-Zarr or a folder of files; judged like the room's own."""
    seed: int = 0
    """Of the draws."""

    @field_validator("others")
    @classmethod
    def _named_apart(cls, found: dict[str, Path]) -> dict[str, Path]:
        if taken := found.keys() & {*METHODS, "oracle", "real stain"}:
            raise ValueError(f"expected other names than the room's own, found '{min(taken)}'; name it otherwise")
        return found


def predict(config: "Config", run: Run) -> None:
    """Write what each method makes of each field to calibrate and to test, in the units of the stains."""
    pairs = pairs_of(run)
    shape = (len(pairs.held), len(pairs.target), *pairs.shape)
    facts = {"channels": list(pairs.stains)}
    names = (*METHODS, *config.predict.others)
    blanks = {name: Blank(f"predictions/{name}", shape, np.float32, IMAGE, facts) for name in names}
    run.save("predicted/field", pairs.held, ("index",))
    fill(_begin, config, run, [Task(name, {"prediction": blank}) for name, blank in blanks.items()])


def _begin(config: "Config", run: Run) -> Compute[str]:
    return partial(_predict, config, run, pairs_of(run))


def _predict(config: "Config", run: Run, pairs: Pairs, name: str, rows: slice) -> dict[str, np.ndarray]:
    if name in config.predict.others:
        made = [foreign(config.predict.others[name], pairs, int(number)) for number in pairs.held[rows]]
        return {"prediction": np.stack(made)}
    stain = stainer(config, run, pairs, name)
    return {"prediction": np.stack([stain(pairs.x(int(number)), None) for number in pairs.held[rows]])}


def stainer(config: "Config", run: Run, pairs: Pairs, name: str, member: int = 0) -> Stainer:
    """Return what a method makes of a field."""
    if name == "regression":
        net = regressor_of(config.regress, pairs, run, member)
        period = regressor_period(config.regress)
    else:
        net, period = generator_of(config.translate, pairs, run), period_of(config.translate)
    choice = config.predict

    def stained(x: _Image, keys: tuple[int | str, ...] | None) -> _Image:
        apply = partial(_applied, net, run.device, None if keys is None else (choice.seed, *keys))
        return pairs.unsigned(blended(apply, x, choice.tile_px, choice.overlap_px, period))

    return stained


def _applied(
    net: nn.Module, device: str, keys: tuple[int | str, ...] | None, tile: _Image, number: int
) -> Float32[np.ndarray, "S h w"]:
    """Return what ``net`` makes of a tile; with keys, values are dropped by the chance that belongs to them."""
    x = torch.from_numpy(np.ascontiguousarray(tile))[None].to(device)
    with torch.no_grad(), torch.random.fork_rng():
        if keys is None:
            return np.asarray(net(x)[0].float().cpu().numpy())
        seed, *rest = keys
        torch.manual_seed(torch_seed(int(seed), *rest, "tile", number))
        with sampled(net):
            return np.asarray(net(x)[0].float().cpu().numpy())
