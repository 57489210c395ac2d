"""Train the classifier that is to be explained."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from aliter.core.batch import Batch, Draw
from aliter.core.errors import AliterError
from aliter.core.rng import chance
from aliter.core.spec import Spec
from aliter.data import sampling
from aliter.data.images import SPLITS, Images, Split
from aliter.data.run import Figure, Run
from aliter.methods.objective.classify import Classify
from aliter.nets.blocks import initialise
from aliter.nets.classifier import Classifier, Timm
from aliter.nets.frozen import Frozen
from aliter.nets.own import Own, save_script
from aliter.ops.classification import balanced_accuracy, calibration_error, confusion, wilson
from aliter.train.fit import Game, Judge, fit, recall
from aliter.train.plan import Fit
from aliter.workflows.counterfactual.gather import images_of

if TYPE_CHECKING:
    from aliter.workflows.counterfactual import Config


COPY = Path("models") / "classifier.pt"
"""Where in a run the classifier lies as TorchScript."""


class Classifying(Spec):
    """The classifier and how it learns; one of your own does not."""

    net: Classifier = Timm()
    objective: Classify = Classify()
    fit: Fit = Fit(steps=3000, size=32, rate=1e-4, judge_every=300, save_every=300, best=("accuracy",))


def classify(config: "Config", run: Run) -> None:
    """Fit the classifier on the training images, or load one; record its figures on those held out."""
    images, choice = images_of(run), config.classify
    net = _build(choice, images, run)
    splits = [split for number, split in enumerate(SPLITS) if (images.splits == number).any()]
    if _learns(choice):
        game = Game(choice.objective, {"classifier": net}, labelled(images), judge(images))
        fit(game, choice.fit, run, "classifier")
        recall({"classifier": net}, run, "classifier")
        splits = ["val", "test"]
    probe = Frozen(net.to(run.device))
    figures: list[Figure] = []
    for split in splits:
        figures += _examine(probe, images, split, run)
    if _learns(choice):
        figures.append(_copy(net, probe, images, run))
    run.record(figures)


def classifier_of(config: "Config", run: Run) -> Frozen:
    """Return the classifier that ``classify`` trained or loaded."""
    net = _build(config.classify, images_of(run), run)
    if _learns(config.classify):
        recall({"classifier": net}, run, "classifier")
    return Frozen(net.to(run.device))


def labelled(images: Images) -> Draw:
    """Return draws of training images ``x`` and labels ``y``, classes evenly."""
    train = images.split("train")
    labels = images.labels[train]

    def draw(seed: int, step: int, size: int) -> Batch:
        numbers = train[sampling.balanced(labels, chance(seed, "step", step, "images"), size)]
        tensors = {
            "x": torch.from_numpy(images.signed(numbers)),
            "y": torch.from_numpy(images.labels[numbers]),
        }
        return Batch(step, tuple(images.ids[number] for number in numbers), seed, tensors)

    return draw


def judge(images: Images) -> Judge:
    """Return a judge of accuracy and cross-entropy on the validation images."""
    numbers = images.split("val")

    def figures(nets: Mapping[str, nn.Module], step: int) -> dict[str, float]:
        scores = torch.from_numpy(predicted(Frozen(nets["classifier"]), images, numbers))
        labels = torch.from_numpy(images.labels[numbers])
        return {
            "accuracy": float((scores.argmax(1) == labels).float().mean()),
            "cross_entropy": float(F.nll_loss(scores.clamp_min(1e-12).log(), labels)),
        }

    return figures


def predicted(probe: Frozen, images: Images, numbers: np.ndarray) -> np.ndarray:
    """Return the probabilities (N, K) of the images of these numbers."""
    blocks = (torch.from_numpy(images.signed(block)) for _, block in images.blocks(numbers))
    return np.concatenate([probe.scores(x).cpu().numpy() for x in blocks])


def _learns(choice: Classifying) -> bool:
    """Return whether the classifier is trained here."""
    return not isinstance(choice.net, Own)


def _build(choice: Classifying, images: Images, run: Run) -> nn.Module:
    if isinstance(choice.net, Own):
        return choice.net.load(images.shape, images.classes, run.trust)
    channels, height, _ = images.shape
    net = choice.net.build(channels, height, len(images.classes))
    initialise({"classifier": net}, choice.fit.seed)
    return net


def _copy(net: nn.Module, probe: Frozen, images: Images, run: Run) -> Figure:
    """Write ``net`` as TorchScript, which needs no more than PyTorch; prove that the copy is right as often."""
    path = run.folder / COPY
    save_script(net, images.shape, path)
    copy = Frozen(Own(path=path).load(images.shape, images.classes, trust=True).to(run.device))
    numbers = images.split("val")
    mine, its = (
        float((predicted(one, images, numbers).argmax(1) == images.labels[numbers]).mean()) for one in (probe, copy)
    )
    if its != mine:
        raise AliterError(f"{path}: expected a copy with an accuracy of {mine}, found {its}; report this as a defect")
    return Figure("accuracy of the exported copy, val", its, len(numbers), note=f"{COPY}, loaded again; as it must be")


def _examine(probe: Frozen, images: Images, split: Split, run: Run) -> list[Figure]:
    numbers = images.split(split)
    scores = predicted(probe, images, numbers)
    labels = images.labels[numbers]
    counts = confusion(labels, scores.argmax(1), len(images.classes))
    run.save(f"confusion/{split}", counts, ("class", "predicted"))
    accuracy = float(np.trace(counts) / counts.sum())
    low, high = wilson(accuracy, len(numbers))
    return [
        Figure(f"accuracy, {split}", accuracy, len(numbers), low, high),
        Figure(f"balanced accuracy, {split}", balanced_accuracy(counts), len(numbers)),
        Figure(f"calibration error, {split}", calibration_error(scores, labels), len(numbers)),
    ]
