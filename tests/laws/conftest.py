"""Small games for every objective, so that laws hold for those to come."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from aliter.core.batch import Batch
from aliter.core.objective import Objective
from aliter.core.rng import chance
from aliter.core.spec import Spec
from aliter.data.ledger import Key
from aliter.data.run import Run
from aliter.nets.blocks import initialise
from aliter.nets.dcgan import DCGANSpec
from aliter.nets.heads import Head
from aliter.nets.patch import PatchSpec
from aliter.nets.pix2pixhd import EnhancerSpec, Pix2PixHDSpec
from aliter.nets.pool_cnn import Between, PoolCNN
from aliter.nets.stargan import LogitResidual, StarGANSpec
from aliter.nets.unet import UNetSpec
from aliter.train.fit import Game

SIZE = 16


class Settings(Spec):
    workflow: str = "none"


def _classifier() -> dict[str, nn.Module]:
    layers = nn.Conv2d(2, 4, 3, 2), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return {"classifier": nn.Sequential(*layers, nn.Linear(4, 3)), "bystander": nn.BatchNorm2d(2)}


def _stargan() -> dict[str, nn.Module]:
    return StarGANSpec(width=4, cap=8, style=4, latent=3, mapping=8, output=LogitResidual()).build(2, SIZE, 3)


def _embedding() -> dict[str, nn.Module]:
    spec = UNetSpec(width=4, factors=(2,), passes=1, features=4)
    return {"encoder": spec.build(2, 2), "projection": Head((4, 4, 3)), "head": Head((4, 4, 3))}


def _head() -> dict[str, nn.Module]:
    return {"head": nn.Sequential(nn.Flatten(), Head((2 * SIZE * SIZE, 4, 3))), "bystander": nn.BatchNorm2d(2)}


def _gan() -> dict[str, nn.Module]:
    return DCGANSpec(latent=3, width=4, depth=2, norm="layer").build(2, SIZE)


def _ambiguous() -> dict[str, nn.Module]:
    return DCGANSpec(latent=3, width=4, depth=2).build(2, SIZE) | {"classifier": Between(PoolCNN().build(2, SIZE, 2))}


class Finder(nn.Module):
    """Has losses of its own for images and boxes, as detectors do."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(2, 4, 3, 2), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3))

    def forward(self, x: torch.Tensor, corners: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        found = self.layers(x).mean((2, 3))
        wanted = torch.stack([one.mean(0) for one in corners])
        return {"objectness": found.square().mean(), "box_reg": (found - wanted).abs().mean()}


class Drawer(nn.Module):
    """Draws an image of so many pixels a side."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(4, 4, 3, 1, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1))

    def forward(self, z: torch.Tensor, side: int) -> torch.Tensor:
        return nn.functional.interpolate(self.layers(z), (side, side))


def _finder() -> dict[str, nn.Module]:
    return {"detector": Finder(), "bystander": nn.BatchNorm2d(2)}


def _drawer() -> dict[str, nn.Module]:
    encoder = nn.Sequential(nn.Conv2d(2, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU())
    return {"encoder": encoder, "decoder": Drawer(), "bystander": nn.BatchNorm2d(2)}


def _regressor() -> dict[str, nn.Module]:
    return {"regressor": UNetSpec(width=4, factors=(2,), padding="same", features=2, dropout=0.2).build(2, 2)}


def _pix2pixhd() -> dict[str, nn.Module]:
    spec = Pix2PixHDSpec(width=4, downs=1, blocks=1)
    nets = {"generator": spec.build(2, 2), "enhancer": EnhancerSpec(blocks=1).build(spec, 2, 2)}
    return nets | {"discriminator": PatchSpec(width=4, layers=1, pool=3).build(4, SIZE)}


NETS: Mapping[str, Callable[[], dict[str, nn.Module]]] = {
    "classify": _classifier,
    "stargan": _stargan,
    "contrast": _embedding,
    "vicreg": _embedding,
    "sparse_head": _head,
    "affinity_head": _head,
    "sparse_net": _embedding,
    "gan": _gan,
    "ambiguous": _ambiguous,
    "detect": _finder,
    "reconstruct": _drawer,
    "regress": _regressor,
    "pix2pixhd": _pix2pixhd,
}


def _draw(seed: int, step: int, size: int) -> Batch:
    rng = chance(seed, "draw", step)
    images = {name: rng.uniform(-1, 1, (size, 2, SIZE, SIZE)) for name in ("x", "other", "reference", "reference2")}
    latents = {name: rng.standard_normal((size, 3)) for name in ("z", "z2")}
    points = {name: rng.uniform(0, 7, (size, 5, 2)) for name in ("at", "at_other", "place")}
    tensors = {name: torch.from_numpy(value.astype(np.float32)) for name, value in (images | latents | points).items()}
    tensors["affinity"] = torch.from_numpy(rng.integers(0, 2, (size, 3)).astype(np.float32))
    tensors["stain"] = tensors["other"]
    classes = {name: torch.from_numpy(rng.integers(0, 3, size)) for name in ("y", "target", "field")}
    low = rng.uniform(0, 8, (size, 3, 2))
    boxes = np.concatenate([low, low + rng.uniform(2, 8, (size, 3, 2))], axis=2)
    found = {"corners": torch.from_numpy(boxes.astype(np.float32)), "count": torch.from_numpy(rng.integers(1, 4, size))}
    classes["label"] = torch.from_numpy(rng.integers(-1, 3, (size, 5)))
    return Batch(step, tuple(f"image {step}.{one}" for one in range(size)), seed, tensors | classes | found)


def _judge(nets: Mapping[str, nn.Module], step: int) -> dict[str, float]:
    return {"norm": sum(float(value.float().norm()) for net in nets.values() for value in net.parameters())}


@pytest.fixture
def game() -> Callable[[Objective], Game]:
    """Return a game of new networks for an objective."""

    def make(objective: Objective) -> Game:
        nets = NETS[objective.kind]()
        initialise(nets, seed=0)
        return Game(objective, nets, _draw, _judge)

    return make


@pytest.fixture
def run_at(tmp_path: Path) -> Iterator[Callable[[str], Run]]:
    """Return a run of this name, at work on one stage for as long as the test lasts."""
    with ExitStack() as stack:

        def make(name: str) -> Run:
            run = Run(tmp_path / name, Settings())
            run.path.mkdir(exist_ok=True)
            stack.enter_context(run.stage("fit", Key("a")))
            return run

        yield make
