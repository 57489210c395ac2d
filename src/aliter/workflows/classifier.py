"""What rooms that train classifiers share: draws, a judge, predictions, and figures on images held out."""

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from aliter.core.batch import Batch, Draw
from aliter.core.rng import chance
from aliter.data import sampling
from aliter.data.images import Images
from aliter.data.run import Figure, Run
from aliter.data.splits import Split
from aliter.nets.frozen import Frozen
from aliter.nets.portable import IMAGE, Port, Portable, signing
from aliter.ops.classification import balanced_accuracy, calibration_error, confusion, wilson
from aliter.train.fit import Judge


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
    """Return a judge of accuracy, cross-entropy and log-likelihood on the validation images."""
    numbers = images.split("val")

    def figures(nets: Mapping[str, nn.Module], step: int) -> dict[str, float]:
        scores = torch.from_numpy(predicted(Frozen(nets["classifier"]), images, numbers))
        labels = torch.from_numpy(images.labels[numbers])
        cross_entropy = float(F.nll_loss(scores.clamp_min(1e-12).log(), labels))
        return {
            "accuracy": float((scores.argmax(1) == labels).float().mean()),
            "cross_entropy": cross_entropy,
            "log_likelihood": -cross_entropy,
        }

    return figures


def predicted(probe: Frozen, images: Images, numbers: np.ndarray) -> np.ndarray:
    """Return the probabilities (N, K) of the images of these numbers."""
    blocks = (torch.from_numpy(images.signed(block)) for _, block in images.blocks(numbers))
    return np.concatenate([probe.scores(x).cpu().numpy() for x in blocks])


def portable(net: nn.Module, images: Images) -> Portable:
    """Return a classifier for others to use: from an image as it is stored to the probability of each class."""
    return Portable(
        nn.Sequential(signing(images.range), net, nn.Softmax(1)),
        {"classifier": net},
        f"Tells {', '.join(images.classes)} apart: an image as it is stored to the probability of each class.",
        {Port("image", IMAGE, images.channels): images.take(images.split("test")[:1]).astype(np.float32)},
        Port("probabilities", ("batch", "channel"), images.classes),
    )


def examine(probe: Frozen, images: Images, split: Split, run: Run, name: str = "") -> list[Figure]:
    """Return the figures of a classifier on the images of one split; keep who was taken for whom.

    Several classifiers have a ``name`` each, which stands in their figures and in the array's name.
    """
    numbers = images.split(split)
    scores = predicted(probe, images, numbers)
    labels = images.labels[numbers]
    counts = confusion(labels, scores.argmax(1), len(images.classes))
    run.save(f"confusion/{name and name + '/'}{split}", counts, ("class", "predicted"))
    accuracy = float(np.trace(counts) / counts.sum())
    low, high = wilson(accuracy, len(numbers))
    which = f"{name}, {split}" if name else split
    return [
        Figure(f"accuracy, {which}", accuracy, len(numbers), low, high),
        Figure(f"balanced accuracy, {which}", balanced_accuracy(counts), len(numbers)),
        Figure(f"calibration error, {which}", calibration_error(scores, labels), len(numbers)),
    ]
