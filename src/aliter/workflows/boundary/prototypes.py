"""Choose images that stand for each cluster; say why they are ambiguous and what would decide them."""

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from pydantic import NonNegativeInt
from scipy.spatial.distance import cdist, pdist

from aliter.core.rng import chance
from aliter.core.spec import Spec
from aliter.data.layout import IMAGE
from aliter.data.run import Figure, Run
from aliter.methods.attribution import Attribution
from aliter.methods.attribution.integrated_gradients import IntegratedGradients
from aliter.methods.prototype import Prototype
from aliter.methods.prototype.medoid import Medoid
from aliter.methods.prototype.mmd_critic import criticised
from aliter.methods.walk.latent_gradient import LatentGradient
from aliter.nets.frozen import Frozen
from aliter.ops.prototypes import coverage, diversity
from aliter.workflows.boundary.classify import (
    between_of,
    chosen_classifier,
    chosen_members,
    classifier_of,
    known_images,
)
from aliter.workflows.boundary.pair import latents, pair_of
from aliter.workflows.boundary.select import generator_of

if TYPE_CHECKING:
    from aliter.workflows.boundary import Config


_SIDES: tuple[tuple[Literal[0, 1], int], ...] = ((0, -1), (1, 1))
"""Classes to walk to, and where the walk lies in the joined one."""


_SHARE = 0.8
"""Of the images in a resample."""


class Prototyping(Spec):
    """What stands for a cluster, and what is said of it."""

    method: Prototype = Medoid()
    attribution: Attribution = IntegratedGradients()
    """From an empty image, -1 everywhere, to the prototype; of the logit of the second class."""
    walk: LatentGradient = LatentGradient()
    """From the prototype to either class."""
    criticisms: NonNegativeInt = 2
    """Images of each cluster that are shown because its prototypes stand for them worst."""
    resamples: NonNegativeInt = 20
    """Random parts of 80 % whose prototypes are chosen anew, to see how sure coverage and diversity are."""
    seed: int = 0
    """Fixes these parts."""


def prototypes(config: "Config", run: Run) -> None:
    """Save the prototypes, their attributions, their walks, and the real image nearest to each."""
    choice, labels = config.prototypes, run.load("clusters/label")
    rows = choice.method(run.load("ambiguous/features"), labels)
    numbers = run.load("ambiguous/number")[rows]
    images = np.asarray(run.array("step2/generated").oindex[numbers])
    run.save("prototypes/row", rows, ("index",))
    run.save("prototypes/label", labels[rows], ("index",))
    run.save("prototypes/image", images, IMAGE)
    run.save("prototypes/attribution", _attributions(config, run, images), IMAGE)
    _walks(config, run, numbers)
    _nearest(config, run, numbers)
    _criticisms(config, run, rows)
    run.record(_figures(choice, run.load("ambiguous/features"), labels, rows))


def _criticisms(config: "Config", run: Run, rows: np.ndarray) -> None:
    """Save the images that the prototypes stand for worst."""
    labels = run.load("clusters/label")
    found = criticised(run.load("ambiguous/features"), labels, rows, config.prototypes.criticisms)
    images = np.asarray(run.array("step2/generated").oindex[run.load("ambiguous/number")[found]])
    run.save("criticisms/row", found, ("index",))
    run.save("criticisms/label", labels[found], ("index",))
    run.save("criticisms/image", images, IMAGE)


def _figures(choice: Prototyping, features: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> list[Figure]:
    """Return how many prototypes there are, how many images they are near to, and how they differ."""
    radius = float(np.median(pdist(features))) / 2
    resampled = []
    for number in range(choice.resamples):
        size = max(3, round(_SHARE * len(features)))
        part = np.sort(chance(choice.seed, "resample", number).choice(len(features), size, replace=False))
        chosen = choice.method(features[part], labels[part])
        resampled.append((coverage(features[part], chosen, radius), diversity(features[part], chosen)))
    found = (coverage(features, rows, radius), diversity(features, rows))
    notes = (
        f"share of the images nearer to a prototype than {radius:.3g}, half the median distance of two images",
        "mean distance of two prototypes for that of two images; 1 is as diverse as drawn by chance",
    )
    figures = [Figure("prototypes", float(len(rows)), len(labels), note=choice.method.kind)]
    for place, (name, note) in enumerate(zip(("coverage", "diversity"), notes, strict=True)):
        values = np.array([one[place] for one in resampled])
        ends = np.quantile(values, (0.025, 0.975)) if np.isfinite(values).all() and len(values) else None
        low, high = (None, None) if ends is None else (float(ends[0]), float(ends[1]))
        said = f"; in 95 % of {len(values)} parts of 80 %, chosen anew, within the interval" if len(values) else ""
        figures.append(Figure(f"{name} of prototypes", found[place], len(labels), low, high, note + said))
    return figures


def _attributions(config: "Config", run: Run, images: np.ndarray) -> np.ndarray:
    """Return per image what speaks for the second class, above 0, and what for the first: the mean of all asked."""
    second = known_images(config, run).classes.index(pair_of(config, run).classes[1])
    x = torch.from_numpy(images).to(run.device)
    probes = (Frozen(classifier_of(config, run, one)) for one in chosen_members(config, run))
    found = [config.prototypes.attribution(one, x, torch.full_like(x, -1), second) for one in probes]
    return torch.stack(found).mean(0).cpu().numpy()


def _walks(config: "Config", run: Run, numbers: np.ndarray) -> None:
    """Save both walks of each prototype, joined: the first class, the prototype, the second class."""
    walk = config.prototypes.walk
    generator, between = generator_of(config, run, "step2"), between_of(config, run, chosen_classifier(run))
    shape = pair_of(config, run).shape
    frames = np.full((len(numbers), 2 * walk.steps + 1, *shape), np.nan, np.float32)
    curve = np.full((len(numbers), 2 * walk.steps + 1, 2), np.nan)
    for row, z in enumerate(latents(config.select.seed, "sample", numbers.tolist(), config.pretrain.net.latent)):
        there = torch.from_numpy(z).to(run.device)
        for target, sign in _SIDES:
            one = walk(generator, between, there, target)
            places = walk.steps + sign * np.arange(len(one.t))
            frames[row, places] = one.image
            curve[row, places] = np.stack([sign * one.t, one.score[:, 1]], axis=1)
    run.save("prototypes/walk", frames, ("index", "step", *IMAGE[1:]))
    run.save("prototypes/curve", curve, ("index", "step", "way_probability"))


def _nearest(config: "Config", run: Run, numbers: np.ndarray) -> None:
    """Save the number of the real training image that is nearest to each prototype, and how near."""
    images = pair_of(config, run)
    train = images.split("train")
    distances = cdist(run.load("step2/features")[numbers], run.load("real/features")[train])
    run.save("prototypes/nearest", train[distances.argmin(axis=1)], ("index",))
    run.save("prototypes/nearest_distance", distances.min(axis=1), ("index",))
