"""A turn of ``fit`` over a bare PyTorch loop that does the same arithmetic; and number formats of a StarGAN step."""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from interleaved import header, ratio
from torch import nn

from aliter.core.batch import Batch
from aliter.core.rng import chance
from aliter.core.spec import Spec
from aliter.data.ledger import Key
from aliter.data.run import Run
from aliter.methods.objective import StarGAN
from aliter.methods.objective.classify import Classify
from aliter.nets.blocks import initialise
from aliter.nets.stargan import LogitResidual, StarGANSpec
from aliter.nets.unet import UNetSpec
from aliter.train.fit import Game, fit
from aliter.train.plan import Fit

torch.set_num_threads(1)
STEPS = 300
Step = Callable[[bool, bool], None]
"""One step of training, channels last or not, in bf16 or not."""


class Settings(Spec):
    """A config that says nothing."""

    workflow: str = "none"


def net() -> nn.Module:
    """Return a small classifier."""
    made = nn.Sequential(nn.Flatten(), nn.Linear(48, 16), nn.ReLU(), nn.Linear(16, 2))
    initialise({"classifier": made}, 0)
    return made


def draw(seed: int, step: int, size: int) -> Batch:
    """Return random images of random classes, and of what a StarGAN step needs besides."""
    rng = chance(seed, step)
    images = {name: rng.uniform(-1, 1, (size, 3, 4, 4)).astype(np.float32) for name in ("x",)}
    return Batch(
        step, ("",) * size, seed, {"x": torch.from_numpy(images["x"]), "y": torch.from_numpy(rng.integers(0, 2, size))}
    )


def bare(made: nn.Module) -> None:
    """Do the same arithmetic in a plain loop."""
    optimizer = torch.optim.Adam(made.parameters(), lr=1e-3, fused=True)
    for step in range(STEPS):
        batch = draw(0, step, 8)
        torch.autograd.backward(F.cross_entropy(made(batch["x"]), batch["y"]))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def fitted(made: nn.Module, folder: Path) -> None:
    """Do it with ``fit``, checkpoints and metrics left out as far as it lets us."""
    run = Run(folder, Settings())
    plan = Fit(steps=STEPS, size=8, rate=1e-3, save_every=STEPS, log_every=STEPS)
    objective = Classify(flip=0.0, rotation_deg=0.0, noise_sd=0.0)
    with run.working(), run.stage("fit", Key(str(time.perf_counter()))):
        fit(Game(objective, {"classifier": made}, draw), plan, run, "net")


def overhead() -> None:
    """Print what a turn of ``fit`` costs beyond its arithmetic."""
    excess = []
    with tempfile.TemporaryDirectory() as folder:
        a, b = net(), net()
        bare(a)
        fitted(b, Path(folder) / "run")
        assert all(torch.allclose(one, two, atol=1e-6) for one, two in zip(a.parameters(), b.parameters(), strict=True))
        for _ in range(5):
            start = time.process_time()
            bare(net())
            middle = time.process_time()
            fitted(net(), Path(folder) / "run")
            excess.append((time.process_time() - middle - (middle - start)) / STEPS * 1e3)
    low, high = min(excess), max(excess)
    print(f"\na turn of fit over a bare loop: {np.median(excess):.2f} ms CPU ({low:.2f} to {high:.2f})\n")


def formats() -> None:
    """Print how a step of a StarGAN at 64 px and of a U-Net at 128 px compare over number and memory formats."""
    header()
    for what, step in (("StarGAN", stargan()), ("U-Net", unet())):
        for name, last, low in (("channels_last", True, False), ("bf16 and channels_last", True, True)):
            ratio(
                f"{what} step, {name} against float32",
                partial(step, last, low),
                partial(step, False, False),
                3,
            )


def unet() -> Step:
    """Return a step of a U-Net of 0.5 M parameters that regresses one channel on another."""
    images = torch.from_numpy(chance(0, "unet").standard_normal((2, 4, 1, 128, 128)).astype(np.float32))

    def step(last: bool, low: bool) -> None:
        net = UNetSpec(width=16, factors=(2, 2, 2), padding="same").build(1, 2)
        net = net.to(memory_format=torch.channels_last if last else torch.contiguous_format)
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            loss = F.l1_loss(net(images[0])[:, :1], images[1])
        torch.autograd.backward(loss)

    return step


def stargan() -> Step:
    """Return a step of the four turns of a StarGAN."""
    objective = StarGAN(passes="shared")
    spec = StarGANSpec(width=16, cap=64, style=16, latent=8, mapping=128, output=LogitResidual())
    rng = chance(0, "formats")
    images = {
        name: torch.from_numpy(rng.uniform(-1, 1, (8, 3, 64, 64)).astype(np.float32))
        for name in ("x", "reference", "reference2")
    }
    latents = {name: torch.from_numpy(rng.standard_normal((8, 8)).astype(np.float32)) for name in ("z", "z2")}
    batch = Batch(0, (), 0, {**images, **latents, "y": torch.arange(8) % 2, "target": torch.arange(1, 9) % 2})

    def step(last: bool, low: bool) -> None:
        nets = {
            name: one.to(memory_format=torch.channels_last if last else torch.contiguous_format)
            for name, one in spec.build(3, 64, 2).items()
        }
        for turn in objective.turns:
            with torch.autocast("cpu", torch.bfloat16, enabled=low):
                losses = objective.losses(turn, nets, batch)
            torch.autograd.backward(turn.combine(losses, []))

    return step


if __name__ == "__main__":
    overhead()
    formats()
