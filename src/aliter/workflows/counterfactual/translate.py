"""Train the generator that shows an image as another class, and count how often the classifier agrees."""

from collections.abc import Mapping
from itertools import permutations
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import PositiveInt
from torch import nn

from aliter.core.batch import Batch, Draw
from aliter.core.rng import chance
from aliter.core.spec import Spec
from aliter.data import sampling
from aliter.data.images import Images
from aliter.data.run import Figure, Run
from aliter.methods.objective.stargan import StarGAN
from aliter.nets.blocks import initialise
from aliter.nets.frozen import Frozen
from aliter.nets.stargan import StarGANSpec
from aliter.ops.classification import conversion_rate, translation_rate, wilson
from aliter.ops.intensity import pearson
from aliter.train.fit import Game, Judge, fit, recall
from aliter.train.plan import Average, Fit, Pace
from aliter.workflows.counterfactual.classify import classifier_of
from aliter.workflows.counterfactual.gather import images_of
from aliter.workflows.counterfactual.translation import Kind, Translator

if TYPE_CHECKING:
    from aliter.workflows.counterfactual import Config

KINDS: tuple[Kind, ...] = ("latent", "reference")
AVERAGED = ("generator", "mapping", "style")


class Translating(Spec):
    """The translator, how it learns, and how it is judged."""

    net: StarGANSpec = StarGANSpec()
    objective: StarGAN = StarGAN()
    targets: Literal["any", "other"] = "any"
    """Classes that training images are shown as: any, their own among them, as published, or others only."""
    fit: Fit = Fit(
        steps=10_000,
        size=16,
        rate=1e-4,
        betas=(0.0, 0.99),
        decay=1e-4,
        networks={"mapping": Pace(rate=1e-6)},
        ema=Average(nets=AVERAGED),
        judge_every=1000,
        save_every=1000,
        best=("conversion", "translation"),
    )
    tries: PositiveInt = 10
    """Tries for each validation image and target when rates are measured in the end."""
    judge_tries: PositiveInt = 2
    """Tries while it learns."""


def translate(config: "Config", run: Run) -> None:
    """Fit the translator; record its rates over all validation images and pairs, and what it leaves alone."""
    images, probe = images_of(run), classifier_of(config, run)
    choice = config.translate
    nets = _build(choice, images)
    judge = _judge(choice, images, probe, run)
    game = Game(choice.objective, nets, pairs(images, choice.net.latent, choice.targets), judge)
    fit(game, choice.fit, run, "translator")
    translator = translator_of(config, run)
    figures: list[Figure] = []
    for kind in KINDS:
        rates, likeness = examine(translator, kind, images, probe, choice.tries)
        run.save(f"rates/{kind}", rates, ("source", "target", "rate"))
        figures += summary(kind, rates, likeness, images.channels, choice.tries)
    run.record(figures)


def translator_of(config: "Config", run: Run) -> Translator:
    """Return the translator that ``translate`` trained: averaged weights at their best step."""
    choice = config.translate
    built = _build(choice, images_of(run))
    nets = {name: built[name].to(run.device) for name in AVERAGED}
    recall(nets, run, "translator")
    return Translator(nets, choice.net.latent, choice.fit.seed, run.device)


def pairs(images: Images, latent: int, targets: Literal["any", "other"] = "any") -> Draw:
    """Return draws of training images, references of classes drawn evenly, and latents."""
    train = images.split("train")
    labels = images.labels[train]

    def draw(seed: int, step: int, size: int) -> Batch:
        rng = chance(seed, "step", step, "images")
        numbers = train[sampling.balanced(labels, rng, size)]
        y = images.labels[numbers]
        away = rng.integers(0 if targets == "any" else 1, len(images.classes), size)
        target = (y + away) % len(images.classes)
        references, seconds = (train[sampling.alike(labels, target, rng)] for _ in range(2))
        tensors = {
            "x": images.signed(numbers),
            "y": y,
            "reference": images.signed(references),
            "reference2": images.signed(seconds),
            "target": target,
            "z": rng.standard_normal((size, latent), np.float32),
            "z2": rng.standard_normal((size, latent), np.float32),
        }
        ids = tuple(images.ids[number] for number in numbers)
        return Batch(step, ids, seed, {name: torch.from_numpy(value) for name, value in tensors.items()})

    return draw


def examine(
    translator: Translator, kind: Kind, images: Images, probe: Frozen, tries: int
) -> tuple[Float[np.ndarray, "K K 3"], Float[np.ndarray, "P C 2"]]:
    """Return what became of the validation images: rates per pair, and likeness per translated pair.

    Rates hold translation rate, conversion rate and number of images, NaN on the diagonal. Likeness holds, for
    each channel, the mean correlation of an image with its first translation, and with another image of its
    class: what chance gives.
    """
    classes = len(images.classes)
    rates = np.full((classes, classes, 3), np.nan)
    likeness = []
    for source, target in permutations(range(classes), 2):
        numbers, references = images.split("val", source), images.split("val", target)
        predicted = np.empty((len(numbers), tries), np.int64)
        for attempt in range(tries):
            origins = translator.origins(kind, (source, target), attempt, len(numbers), references)
            for start, block in images.blocks(numbers):
                x = images.signed(block)
                rows = slice(start, start + len(block))
                made = translator.translate(kind, torch.from_numpy(x), origins[rows], target, images)
                predicted[rows, attempt] = probe.scores(made).argmax(1).cpu().numpy()
                if attempt == 0:
                    likeness.append(_likeness(x, made.cpu().numpy()))
        shares = translation_rate(predicted, target), conversion_rate(predicted, target)
        rates[source, target] = (*shares, len(numbers))
    return rates, np.concatenate(likeness)


def summary(
    kind: Kind,
    rates: Float[np.ndarray, "K K 3"],
    likeness: Float[np.ndarray, "P C 2"],
    channels: tuple[str, ...],
    tries: int,
) -> list[Figure]:
    """Return the figures of one kind: unweighted means over pairs, intervals over images."""
    count = int(np.nansum(rates[..., 2]))
    found = []
    for index, name in enumerate(("translation rate", "conversion rate")):
        share = float(np.nanmean(rates[..., index]))
        low, high = wilson(share, count)
        note = f"{tries} tries an image; worst pair {np.nanmin(rates[..., index]):.3f}"
        found.append(Figure(f"{name}, {kind}", share, count, low, high, note))
    for channel, (mean, by_chance) in zip(channels, np.nanmean(likeness, axis=0), strict=True):
        note = f"of query and translation; {by_chance:.2f} by chance"
        found.append(Figure(f"correlation of {channel}, {kind}", float(mean), len(likeness), note=note))
    return found


def _build(choice: Translating, images: Images) -> dict[str, nn.Module]:
    channels, size, _ = images.shape
    nets = choice.net.build(channels, size, len(images.classes))
    initialise(nets, choice.fit.seed)
    return nets


def _judge(choice: Translating, images: Images, probe: Frozen, run: Run) -> Judge:
    def judge(nets: Mapping[str, nn.Module], step: int) -> dict[str, float]:
        translator = Translator(nets, choice.net.latent, choice.fit.seed, run.device)
        rates = np.stack([examine(translator, kind, images, probe, choice.judge_tries)[0] for kind in KINDS])
        latent, reference = np.nanmean(rates[..., 0], axis=(1, 2))
        return {
            "conversion": float(np.nanmean(rates[..., 1])),
            "translation": float(np.nanmean(rates[..., 0])),
            "translation_latent": float(latent),
            "translation_reference": float(reference),
        }

    return judge


def _likeness(x: Float[np.ndarray, "B C H W"], made: Float[np.ndarray, "B C H W"]) -> Float[np.ndarray, "B C 2"]:
    """Return each channel's correlation with its translation, and with the next image."""
    others = np.roll(x, 1, axis=0)
    rows = [
        [(pearson(a, b), pearson(a, c)) for a, b, c in zip(one, two, three, strict=True)]
        for one, two, three in zip(x, made, others, strict=True)
    ]
    return np.array(rows)
