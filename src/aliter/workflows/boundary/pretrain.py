"""Step 1: learn to draw images like the real ones of the pair, and keep every epoch."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
from pydantic import Field
from torch import nn

from aliter.core.batch import Batch, Draw
from aliter.core.errors import RequestError
from aliter.core.rng import chance
from aliter.core.spec import Spec
from aliter.data import sampling
from aliter.data.images import Images
from aliter.data.kept import Kept
from aliter.data.run import Figure, Run
from aliter.methods.objective.gan import GAN
from aliter.nets.blocks import initialise
from aliter.nets.dcgan import DCGANSpec
from aliter.nets.resnet_gan import ResNetGANSpec
from aliter.train.checkpoint import collect, restore
from aliter.train.fit import Game, Judge, fit
from aliter.train.plan import Fit
from aliter.workflows.boundary.measure import Realism, realism_of
from aliter.workflows.boundary.pair import drawn, latents, pair_of

if TYPE_CHECKING:
    from aliter.workflows.boundary import Config

SD = 0.02
"""Of the first weights, as published."""


class Pretraining(Spec):
    """Generator and discriminator, and how they learn; an epoch is ``judge_every`` steps."""

    net: Annotated[DCGANSpec | ResNetGANSpec, Field(discriminator="kind")] = DCGANSpec()
    objective: GAN = GAN()
    fit: Fit = Fit(steps=1200, size=64, rate=2e-4, betas=(0.5, 0.999), judge_every=12, save_every=120)


def pretrain(config: "Config", run: Run) -> None:
    """Fit the GAN; record how real its images are after each epoch."""
    choice, images = config.pretrain, pair_of(config, run)
    nets = gan_of(config, images)
    initialise(nets, choice.fit.seed, SD)
    keep_epoch(run, "pretrain", 0, 0, nets, {})
    game = Game(choice.objective, nets, real_and_latent(images, choice.net.latent), _judge(config, run))
    fit(game, choice.fit, run, "pretrain")
    distances = [row["distance"] for row in epoch_figures(run, "pretrain", choice.fit)]
    note = f"after {len(distances)} epochs; lowest {min(distances):.4g}"
    run.save("epochs/pretrain", np.array(distances)[:, None], ("epoch", "figure"))
    run.record([Figure("Frechet distance, step 1", distances[-1], config.measure.count, note=note)])


def gan_of(config: "Config", images: Images) -> dict[str, nn.Module]:
    """Return generator and discriminator as built."""
    return config.pretrain.net.build(images.shape[0], images.shape[1])


def epochs_of(plan: Fit) -> int:
    """Return how many epochs a plan has."""
    return -(-plan.steps // plan.judge_every)


def keep_epoch(
    run: Run, name: str, epoch: int, step: int, nets: Mapping[str, nn.Module], facts: Mapping[str, float]
) -> None:
    """Keep the weights after an epoch."""
    run.keep(f"{name}-epoch{epoch}", Kept(collect(nets, {}, {}), step, facts), 1)


def recall_epoch(nets: Mapping[str, nn.Module], run: Run, name: str, epoch: int) -> None:
    """Load into ``nets`` their weights after an epoch of the fit ``name``.

    Raises
    ------
    RequestError
        If there is no such epoch.
    """
    state = run.kept(f"{name}-epoch{epoch}")
    if state is None:
        raise RequestError(f"{name}: expected an epoch that was reached, found {epoch}; name an earlier one")
    prefixes = tuple(f"net/{net}/" for net in nets)
    restore({key: value for key, value in state.tensors.items() if key.startswith(prefixes)}, nets, {}, {})


def epoch_figures(run: Run, name: str, plan: Fit) -> list[Mapping[str, float]]:
    """Return what was measured after each epoch of the fit ``name``, from the first."""
    states = (run.kept(f"{name}-epoch{epoch}") for epoch in range(1, epochs_of(plan) + 1))
    return [state.facts for state in states if state is not None]


def real_and_latent(images: Images, latent: int) -> Draw:
    """Return draws of real training images ``x``, both classes evenly, and latents ``z``."""
    train = images.split("train")
    labels = images.labels[train]

    def draw(seed: int, step: int, size: int) -> Batch:
        rng = chance(seed, "step", step, "images")
        numbers = train[sampling.balanced(labels, rng, size)]
        x, z = images.signed(numbers), rng.standard_normal((size, latent), np.float32)
        ids = tuple(images.ids[number] for number in numbers)
        return Batch(step, ids, seed, {"x": torch.from_numpy(x), "z": torch.from_numpy(z)})

    return draw


def _judge(config: "Config", run: Run) -> Judge:
    realism: Realism = realism_of(config, run)
    z = latents(config.measure.seed, "test", range(config.measure.count), config.pretrain.net.latent)

    def judge(nets: Mapping[str, nn.Module], step: int) -> dict[str, float]:
        found = {"distance": realism.frechet(realism.features(drawn(nets["generator"], z, run.device)))}
        epoch = -(-step // config.pretrain.fit.judge_every)
        keep_epoch(run, "pretrain", epoch, step, nets, found)
        return found

    return judge
