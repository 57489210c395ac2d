"""The configs as shipped: one step of each in small, and the published sizes where they are meant."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from aliter.core.batch import Batch
from aliter.core.objective import Objective
from aliter.nets.blocks import initialise
from aliter.nets.unet import UNetSpec
from aliter.workflows.staining import Config
from aliter.workflows.staining.translate import MOVERS

FOLDER = Path(__file__).parents[2] / "configs" / "staining"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def read(name: str) -> Config:
    return Config.read(FOLDER / f"{name}.yaml")


def batch(side: int) -> Batch:
    source = torch.Generator().manual_seed(0)
    tensors: dict[str, Tensor] = {key: torch.rand(2, 1, side, side, generator=source) * 2 - 1 for key in ("x", "stain")}
    return Batch(0, ("a", "b"), 0, tensors)


def stepped(objective: Objective, nets: dict[str, nn.Module], given: Batch) -> None:
    """Play each turn once; what it moves must move, and nothing else."""
    initialise(nets, 0)
    for turn in objective.turns:
        for name, net in nets.items():
            net.train().requires_grad_(name in turn.moves)
            net.zero_grad()
        loss = torch.stack(list(objective.losses(turn, nets, given).values())).sum()
        assert torch.isfinite(loss)
        loss.backward()  # type: ignore[no-untyped-call]
        for name, net in nets.items():
            touched = [one.grad is not None and bool(one.grad.abs().sum() > 0) for one in net.parameters()]
            assert any(touched) == (name in turn.moves)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_of_each_runs_in_small(name: str) -> None:
    config = read(name)
    choice = config.regress
    small = choice.net.model_copy(update={"width": 2})
    regressor = small.build(1, 2) if isinstance(small, UNetSpec) else small.build(1, 1)
    # Structural similarity at five scales wants 176 pixels.
    stepped(choice.objective, {"regressor": regressor}, batch(176 if choice.objective.loss == "mixed" else 32))
    net = config.translate.net.model_copy(update={"width": 2, "blocks": 1})
    patch = config.translate.discriminator.model_copy(update={"width": 2})
    side = 4 * net.period
    nets: dict[str, nn.Module] = {"generator": net.build(1, 1), "discriminator": patch.build(2, side)}
    stepped(config.translate.objective, nets, batch(side))
    if config.translate.enhance is not None:
        nets["enhancer"] = config.translate.enhance.net.model_copy(update={"blocks": 1}).build(net, 1, 1)
        stepped(config.translate.objective.model_copy(update={"moves": MOVERS}), nets, batch(side))


def test_hd_has_the_published_sizes() -> None:
    choice = read("hd").translate
    assert choice.enhance is not None
    with torch.device("meta"):
        nets = (choice.net.build(1, 1), choice.enhance.net.build(choice.net, 1, 1), choice.discriminator.build(2, 512))
    assert [sum(one.numel() for one in net.parameters()) for net in nets] == [182_430_721, 261_697, 8_291_139]
    for name in NAMES:
        config = read(name)
        assert config.translate.crop_px % config.translate.net.period == 0, name
