"""Train the generator that shows an image as another class, and count how often the classifier agrees."""

from collections.abc import Mapping
from dataclasses import dataclass
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
from aliter.workflows.counterfactual.translation import Kind, Translator
from aliter.workflows.counterfactual.triplets import triplets
from aliter.workflows.gather import images_of

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
        found = examine(translator, kind, images, probe, choice.tries)
        run.save(f"rates/{kind}", found.rates, ("source", "target", "rate"))
        run.save(f"shots/{kind}", found.shots, ("source", "target", "shot"))
        figures += summary(kind, found, images.channels, choice.tries)
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


@dataclass(frozen=True)
class Examined:
    """What became of the validation images."""

    rates: Float[np.ndarray, "K K 3"]
    """Of each pair: translation rate, conversion rate, number of images; NaN on the diagonal."""
    shots: Float[np.ndarray, "K K R"]
    """Of each pair and try: the share of images that it turned; what one gets who draws once. NaN on the diagonal."""
    likeness: Float[np.ndarray, "P C 2"]
    """Of each image, target and channel: correlation with its first translation, and with another image."""
    spread: Float[np.ndarray, " P"]
    """Of each image and target: standard deviation over styles, mean over values; NaN if there was one try."""


def examine(translator: Translator, kind: Kind, images: Images, probe: Frozen, tries: int) -> Examined:
    """Translate every validation image to every other class, ``tries`` times, and see what the classifier says."""
    classes = len(images.classes)
    rates, single = np.full((classes, classes, 3), np.nan), np.full((classes, classes, tries), np.nan)
    likeness, spread = [], []
    for pair in permutations(range(classes), 2):
        numbers, references = images.split("val", pair[0]), images.split("val", pair[1])
        origins = [translator.origins(kind, pair, attempt, len(numbers), references) for attempt in range(tries)]
        predicted = np.empty((len(numbers), tries), np.int64)
        for start, block in images.blocks(numbers):
            rows = slice(start, start + len(block))
            x = images.signed(block)
            made = np.empty((tries, *x.shape), np.float32)
            for attempt in range(tries):
                shown = translator.translate(kind, torch.from_numpy(x), origins[attempt][rows], pair[1], images)
                predicted[rows, attempt] = probe.scores(shown).argmax(1).cpu().numpy()
                made[attempt] = shown.cpu().numpy()
            likeness.append(_likeness(x, made[0]))
            spread.append(made.std(0, ddof=1).mean((1, 2, 3)) if tries > 1 else np.full(len(x), np.nan))
        shares = translation_rate(predicted, pair[1]), conversion_rate(predicted, pair[1])
        rates[pair], single[pair] = (*shares, len(numbers)), (predicted == pair[1]).mean(0)
    return Examined(rates, single, np.concatenate(likeness), np.concatenate(spread))


def summary(kind: Kind, found: Examined, channels: tuple[str, ...], tries: int) -> list[Figure]:
    """Return the figures of one kind: unweighted means over pairs, intervals over images."""
    count = int(np.nansum(found.rates[..., 2]))
    figures = []
    for index, name in enumerate(("translation rate", "conversion rate")):
        share = float(np.nanmean(found.rates[..., index]))
        low, high = wilson(share, count)
        note = f"{tries} tries an image; worst pair {np.nanmin(found.rates[..., index]):.3f}"
        figures.append(Figure(f"{name}, {kind}", share, count, low, high, note))
    for channel, (mean, by_chance) in zip(channels, np.nanmean(found.likeness, axis=0), strict=True):
        note = f"of query and translation; {by_chance:.2f} by chance"
        figures.append(Figure(f"correlation of {channel}, {kind}", float(mean), len(found.likeness), note=note))
    if tries > 1:
        note = "mean standard deviation over styles, on the scale from -1 to 1"
        figures.append(Figure(f"spread over styles, {kind}", float(found.spread.mean()), len(found.spread), note=note))
    return figures


def _build(choice: Translating, images: Images) -> dict[str, nn.Module]:
    channels, size, _ = images.shape
    nets = choice.net.build(channels, size, len(images.classes))
    initialise(nets, choice.fit.seed)
    return nets


def _judge(choice: Translating, images: Images, probe: Frozen, run: Run) -> Judge:
    def judge(nets: Mapping[str, nn.Module], step: int) -> dict[str, float]:
        translator = Translator(nets, choice.net.latent, choice.fit.seed, run.device)
        rates = np.stack([examine(translator, kind, images, probe, choice.judge_tries).rates for kind in KINDS])
        run.show("translator", step, triplets(translator, images, probe))
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
