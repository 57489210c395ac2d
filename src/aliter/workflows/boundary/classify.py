"""Train the classifiers that are put under stress: every net with every seed."""

from itertools import product
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Bool, Float
from torch import nn

from aliter.core.errors import RequestError
from aliter.core.spec import Spec
from aliter.data.images import Images
from aliter.data.run import Figure, Run
from aliter.methods.objective.classify import Classify
from aliter.nets.blocks import initialise
from aliter.nets.classifier import Classifier
from aliter.nets.frozen import Frozen
from aliter.nets.own import Own
from aliter.nets.pool_cnn import Between, PoolCNN, Surest
from aliter.ops.ambiguity import confusion_distance, surest
from aliter.ops.classification import wilson
from aliter.train.fit import Game, fit, recall
from aliter.train.plan import Fit
from aliter.workflows.boundary.pair import pair_of, probability
from aliter.workflows.classifier import examine, judge, labelled
from aliter.workflows.gather import images_of

if TYPE_CHECKING:
    from aliter.workflows.boundary import Config

BAND = (0.4, 0.6)
"""Probabilities between which an image counts as ambiguous, ends included."""


class Classifying(Spec):
    """The classifiers and how they learn."""

    nets: dict[str, Classifier] = {"cnn": PoolCNN()}
    """By the names that they go by here; one of your own does not learn."""
    seeds: tuple[int, ...] = (0,)
    """Of first weights and batches: each net is trained with each, and called ``<name>-<seed>``; ``<name>-all`` is all
    of these together, which are undecided where the surest of them is."""
    classes: Literal["pair", "all"] = "pair"
    """What they tell apart: the pair, or all classes there are; then they are asked about the pair."""
    objective: Classify = Classify(flip=0.0, rotation_deg=0.0, noise_sd=0.0)
    fit: Fit = Fit(steps=600, size=64, rate=1e-3, judge_every=50, save_every=200, best=("log_likelihood",))


def classify(config: "Config", run: Run) -> None:
    """Fit all classifiers; record their figures, and how sure they are of real images that they never saw."""
    choice = config.classify
    images = known_images(config, run)
    figures: list[Figure] = []
    for name in names_of(choice):
        net = _build(choice, name, images, run)
        if not isinstance(net_of(choice, name), Own):
            plan = choice.fit.model_copy(update={"seed": seed_of(name)})
            fit(Game(choice.objective, {"classifier": net}, labelled(images), judge(images)), plan, run, name)
            recall({"classifier": net}, run, name)
        figures += examine(Frozen(net.to(run.device)), images, "test", run, name)
        figures += _sureness(config, run, name)
    run.record(figures)


def names_of(choice: Classifying) -> list[str]:
    """Return the names of all classifiers."""
    return [f"{net}-{seed}" for net, seed in product(choice.nets, choice.seeds)]


def members_of(choice: Classifying, name: str) -> list[str]:
    """Return the names of the classifiers that ``name`` stands for: one, or with ``<net>-all`` those of all seeds.

    Raises
    ------
    RequestError
        If there is none of that name.
    """
    net, _, seed = name.rpartition("-")
    found = [f"{net}-{one}" for one in choice.seeds] if seed == "all" else [name]
    if not set(found) <= set(names_of(choice)):
        known = ", ".join([*names_of(choice), *(f"{one}-all" for one in choice.nets)])
        raise RequestError(f"expected a classifier, one of {known}; found '{name}'")
    return found


def net_of(choice: Classifying, name: str) -> Classifier:
    """Return the net of the single classifier ``name``."""
    return choice.nets[name.rpartition("-")[0]]


def seed_of(name: str) -> int:
    """Return the seed of the classifier ``name``."""
    return int(name.rpartition("-")[2])


def known_images(config: "Config", run: Run) -> Images:
    """Return the images that the classifiers learn from."""
    return pair_of(config, run) if config.classify.classes == "pair" else images_of(run)


def classifier_of(config: "Config", run: Run, name: str) -> nn.Module:
    """Return the classifier ``name`` that ``classify`` trained or loaded, logits for each class it knows, frozen."""
    net = _build(config.classify, name, known_images(config, run), run)
    if not isinstance(net_of(config.classify, name), Own):
        recall({"classifier": net}, run, name)
    return Frozen(net.to(run.device)).module


def between_of(config: "Config", run: Run, name: str) -> Between | Surest:
    """Return the classifier ``name``, or all that it stands for, as it answers about the pair."""
    known, pair = known_images(config, run).classes, pair_of(config, run).classes
    places = [known.index(one) for one in pair]
    members = [Between(classifier_of(config, run, one), *places) for one in members_of(config.classify, name)]
    return members[0] if len(members) == 1 else Surest(members)


def chosen_classifier(run: Run) -> str:
    """Return the name of the classifier, or of those, that the chosen generator confuses."""
    return str(run.facts["chosen"]["attempt"]).partition("-from")[0]


def chosen_members(config: "Config", run: Run) -> list[str]:
    """Return the names of the single classifiers that the chosen generator confuses."""
    return members_of(config.classify, chosen_classifier(run))


def real_probability(config: "Config", run: Run) -> Float[np.ndarray, " N"]:
    """Return what the chosen classifier, or the surest of those, says of all real images."""
    found = [run.load(f"real/probability/{one}") for one in chosen_members(config, run)]
    return surest(np.stack(found, axis=1))


def in_band(p: np.ndarray) -> np.ndarray:
    """Return which probabilities lie in the band."""
    return np.asarray((p >= BAND[0]) & (p <= BAND[1]))


def agreed(p: Float[np.ndarray, "N classifiers"]) -> Bool[np.ndarray, " N"]:
    """Return which images most classifiers put in the band; what one alone cannot decide is a matter of that one."""
    return np.asarray(in_band(p).mean(axis=1) > 1 / 2)


def _build(choice: Classifying, name: str, images: Images, run: Run) -> nn.Module:
    blueprint = net_of(choice, name)
    if isinstance(blueprint, Own):
        return blueprint.load(images.shape, images.classes, run.trust)
    net = blueprint.build(images.shape[0], images.shape[1], len(images.classes))
    initialise({"classifier": net}, seed_of(name))
    return net


def _sureness(config: "Config", run: Run, name: str) -> list[Figure]:
    """Save the probabilities of all real images; return how far those held out are from undecided."""
    images = pair_of(config, run)
    between = between_of(config, run, name)
    p = probability(between, images.signed(np.arange(len(images))), run.device)
    run.save(f"real/probability/{name}", p, ("index",))
    held_out = p[images.splits > 0]
    share = float(in_band(held_out).mean())
    low, high = wilson(share, len(held_out))
    note = "validation and test images; 0.5 is sure of all, 0 of none"
    return [
        Figure(
            f"confusion distance, {name}, real", float(confusion_distance(held_out).mean()), len(held_out), note=note
        ),
        Figure(f"in band, {name}, real", share, len(held_out), low, high, f"p from {BAND[0]} to {BAND[1]}"),
    ]
