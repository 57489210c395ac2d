"""Fix how realism is measured: in the features of which network, against which real images, with which floor."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
from jaxtyping import Float, Float64
from pydantic import Field, PositiveInt

from aliter.core.errors import DataError
from aliter.core.spec import Spec
from aliter.data.images import Images
from aliter.data.run import Figure, Run
from aliter.methods.objective.classify import Classify
from aliter.nets.blocks import initialise
from aliter.nets.frozen import Frozen
from aliter.nets.pool_cnn import MLP, PoolCNN
from aliter.nets.pretrained import EfficientNetLite0
from aliter.nets.small_cnn import SmallCNN
from aliter.nets.timm import Timm
from aliter.ops.frechet import frechet_distance, moments
from aliter.ops.kernel_distance import kernel_distance
from aliter.train.fit import Game, fit, recall
from aliter.train.plan import Fit
from aliter.workflows.boundary.pair import pair_of
from aliter.workflows.classifier import examine, judge, labelled
from aliter.workflows.gather import images_of

if TYPE_CHECKING:
    from aliter.workflows.boundary import Config


class Measuring(Spec):
    """The network whose features realism is measured in, and on how many samples."""

    net: Annotated[SmallCNN | PoolCNN | MLP | Timm | EfficientNetLite0, Field(discriminator="kind")] = SmallCNN(
        width=8, depth=3
    )
    """Trained here, on the training images of all classes, apart from the classifiers under stress; or one that comes
    trained on ImageNet, in a package, and stays as it is."""
    layer: str = "flatten"
    """Layer that gives the features."""
    objective: Classify = Classify(flip=0.0, rotation_deg=0.0, noise_sd=0.0)
    fit: Fit = Fit(steps=600, size=64, rate=2e-3, judge_every=100, save_every=200, best=("log_likelihood",))
    count: PositiveInt = 1000
    """Fixed latents on which every epoch is measured."""
    seed: int = 0
    """Seed of these latents."""


@dataclass(frozen=True)
class Realism:
    """Features, and what those of the real training images of the pair are like."""

    probe: Frozen
    layer: str
    real: Float64[np.ndarray, "N D"]
    """Features of the real training images."""

    def features(self, x: Float[np.ndarray, "N C H W"]) -> Float64[np.ndarray, "N D"]:
        """Return the features of images in [-1, 1]."""
        return self.probe.activations(torch.from_numpy(x), self.layer).flatten(1).double().numpy()

    def frechet(self, rows: Float64[np.ndarray, "N D"]) -> float:
        """Return the Frechet distance of features from the real ones; NaN for too few rows."""
        if len(rows) <= rows.shape[1]:
            return float("nan")
        return frechet_distance(*moments(rows), *moments(self.real))

    def kernel(self, rows: Float64[np.ndarray, "N D"]) -> float:
        """Return the kernel distance of features from the real ones; NaN for too few rows."""
        return kernel_distance(rows, self.real) if len(rows) > 1 else float("nan")


def measure(config: "Config", run: Run) -> None:
    """Fit the network of the features; record the floor: how far real images held out are from those for training."""
    images, pair, choice = images_of(run), pair_of(config, run), config.measure
    learns = not isinstance(choice.net, EfficientNetLite0)
    if learns:
        net = choice.net.build(images.shape[0], images.shape[1], len(images.classes))
        initialise({"classifier": net}, choice.fit.seed)
        fit(Game(choice.objective, {"classifier": net}, labelled(images), judge(images)), choice.fit, run, "measure")
    probe = _probe(choice, images, run)
    realism = Realism(probe, choice.layer, np.empty((0, 0)))
    rows = realism.features(pair.signed(np.arange(len(pair))))
    run.save("real/features", rows, ("index", "feature"))
    _check(rows[pair.splits == 0], choice)
    examined = examine(probe, images, "test", run, "measure") if learns else []
    run.record([*examined, *_floor(config, pair, rows, realism)])


def realism_of(config: "Config", run: Run) -> Realism:
    """Return what ``measure`` fixed."""
    train = pair_of(config, run).splits == 0
    return Realism(_probe(config.measure, images_of(run), run), config.measure.layer, run.load("real/features")[train])


def _probe(choice: Measuring, images: Images, run: Run) -> Frozen:
    net = choice.net.build(images.shape[0], images.shape[1], len(images.classes))
    if not isinstance(choice.net, EfficientNetLite0):
        recall({"classifier": net}, run, "measure")
    return Frozen(net.to(run.device))


def _floor(config: "Config", pair: Images, rows: np.ndarray, realism: Realism) -> list[Figure]:
    """Return how far real images that were held out are from the training images: nothing can be expected below."""
    train, held_out = rows[pair.splits == 0], rows[pair.splits > 0]
    floor = Realism(realism.probe, realism.layer, train)
    said = f"{rows.shape[1]} features of {config.measure.net.kind}; {len(train)} real training images"
    return [
        Figure("Frechet distance, real", floor.frechet(held_out), len(held_out), note=f"the floor; {said}"),
        Figure("kernel distance, real", floor.kernel(held_out), len(held_out), note=f"the floor; {said}"),
    ]


def _check(train: np.ndarray, choice: Measuring) -> None:
    count, features = train.shape
    if count < 2 * features:
        raise DataError(
            f"measure: expected at least {2 * features} real training images for {features} features, found {count}; "
            f"take a layer or a network with fewer than {count // 2} features, or more images"
        )
