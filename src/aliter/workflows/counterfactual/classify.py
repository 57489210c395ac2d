"""Train the classifier that is to be explained."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from aliter.core.errors import AliterError
from aliter.core.spec import Spec
from aliter.data.images import Images
from aliter.data.run import Figure, Run
from aliter.data.splits import SPLITS
from aliter.methods.objective.classify import Classify
from aliter.nets.blocks import initialise
from aliter.nets.classifier import Classifier
from aliter.nets.frozen import Frozen
from aliter.nets.own import Own, save_script
from aliter.nets.timm import Timm
from aliter.train.fit import Game, fit, recall
from aliter.train.plan import Fit
from aliter.workflows.classifier import examine, judge, labelled, predicted
from aliter.workflows.gather import images_of

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
        figures += examine(probe, images, split, run)
    if _learns(choice):
        figures.append(_copy(net, probe, images, run))
    run.record(figures)


def classifier_of(config: "Config", run: Run) -> Frozen:
    """Return the classifier that ``classify`` trained or loaded."""
    net = _build(config.classify, images_of(run), run)
    if _learns(config.classify):
        recall({"classifier": net}, run, "classifier")
    return Frozen(net.to(run.device))


def _learns(choice: Classifying) -> bool:
    """Return whether the classifier is trained here."""
    return not isinstance(choice.net, Own)


def _build(choice: Classifying, images: Images, run: Run) -> nn.Module:
    if isinstance(choice.net, Own):
        return choice.net.load(images.shape, images.classes, run.trust)
    channels, height, _ = images.shape
    net = choice.net.build(channels, height, len(images.classes))
    initialise({"classifier": net}, choice.fit.seed)
    return net.to(memory_format=torch.channels_last) if choice.fit.channels_last else net


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
