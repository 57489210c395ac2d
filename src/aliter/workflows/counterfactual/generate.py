"""Make counterfactual candidates for the images to explain, and keep the best of them."""

from itertools import groupby, permutations
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from pydantic import PositiveInt, model_validator

from aliter.core.errors import RequestError
from aliter.core.progress import progress
from aliter.core.spec import Spec
from aliter.data import layout
from aliter.data.images import Images
from aliter.data.run import Figure, Run
from aliter.data.splits import Split
from aliter.nets.frozen import Frozen
from aliter.ops.classification import wilson
from aliter.workflows.classifier import predicted
from aliter.workflows.counterfactual.classify import classifier_of
from aliter.workflows.counterfactual.given import Explained, Given, given
from aliter.workflows.counterfactual.search import Found, Search
from aliter.workflows.counterfactual.translate import KINDS, translator_of
from aliter.workflows.counterfactual.translation import Kind
from aliter.workflows.gather import images_of

if TYPE_CHECKING:
    from aliter.workflows.counterfactual import Config

Pair = tuple[int, int]


class Generating(Spec):
    """Which images are explained, and how many candidates each may cost."""

    split: Split | Literal["all"] = "test"
    """Images that are explained."""
    count: PositiveInt | None = None
    """Of each class the first so many; all if null."""
    kinds: tuple[Kind, ...] | None = None
    """Where styles come from. None: latents and references, but nothing where a path of given pairs is named."""
    pairs: tuple[str, ...] = ()
    """Kinds of given pairs that are explained too: a simulator plants ``plain`` and ``nuisance``. None named: all that
    are at the path ``pairs``, if that is given."""
    tries: PositiveInt = 10
    """Candidates at most for each image and target: it stops when enough of them are converted."""
    keep: PositiveInt = 1
    """Candidates kept: converted ones first, then by the probability of the target."""

    @model_validator(mode="after")
    def _enough(self) -> "Generating":
        if self.keep > self.tries:
            raise ValueError(f"expected tries >= keep, found {self.tries} < {self.keep}; raise tries")
        return self


def kinds_of(config: "Config") -> tuple[Kind, ...]:
    """Return the kinds of styles that are generated; none at all need a translator."""
    if config.generate.kinds is None:
        return KINDS if config.pairs is None else ()
    return config.generate.kinds


def generates(config: "Config") -> bool:
    """Return whether anything is generated at all: else no translator is needed."""
    return bool(kinds_of(config))


def generate(config: "Config", run: Run) -> None:
    """Write the explained images, the kept candidates, the predictions of every try, and what was converted."""
    images, probe, choice, kinds = images_of(run), classifier_of(config, run), config.generate, kinds_of(config)
    explained = Explained(images, choice.split, choice.count)
    chosen = {label: explained.numbers(label) for label in range(len(images.classes))}
    outside = _outside(config, explained)
    for label, numbers in chosen.items():
        _write_queries(run, images, probe, label, numbers)
    figures = []
    if kinds:
        translator = translator_of(config, run)
        total = len(kinds) * (len(chosen) - 1) * sum(len(numbers) for numbers in chosen.values())
        with progress("generate", total) as advance:
            for kind in kinds:
                search = Search(translator, kind, images, probe, choice.tries, choice.keep)
                converted = []
                for pair in permutations(chosen, 2):
                    converted.append(_write_pair(run, search, pair, chosen[pair[0]]))
                    if choice.split == "test":
                        _write_truth(run, images, kind, pair, len(chosen[pair[0]]))
                    advance(len(chosen[pair[0]]), "")
                figures.append(_share(kind, np.concatenate(converted)))
    for kind, members in groupby(outside, key=lambda one: one.kind):
        converted = [_write_given(run, images, probe, one, len(chosen[one.pair[0]])) for one in members]
        figures.append(_share(kind, np.concatenate(converted)))
    run.record(figures)


def _outside(config: "Config", explained: Explained) -> list[Given]:
    """Return the pairs that were made elsewhere."""
    choice = config.generate
    if config.pairs is None and choice.pairs and choice.split != "test":
        raise RequestError(
            f"expected 'generate.split: test' for the pairs {', '.join(choice.pairs)}, which are planted for test "
            f"images only; found '{choice.split}'"
        )
    found = given(config.pairs, choice.pairs, explained)
    both = {one.kind for one in found} & set(kinds_of(config))
    if both:
        raise RequestError(f"expected kinds of pairs under one name each, found {', '.join(both)} given and generated")
    return found


def _write_queries(run: Run, images: Images, probe: Frozen, label: int, numbers: np.ndarray) -> None:
    queries = run.create(
        f"images/{label}", (len(numbers), *images.shape), images.dtype, layout.IMAGE, {"range": list(images.range)}
    )
    for start, block in images.blocks(numbers):
        queries[start : start + len(block)] = images.take(block)
    run.save(f"ids/{label}", layout.pack([images.ids[number] for number in numbers]), ("index", "byte"))
    run.save(f"predictions/{label}", predicted(probe, images, numbers), ("index", "class"))


def _write_pair(run: Run, search: Search, pair: Pair, numbers: np.ndarray) -> np.ndarray:
    """Search candidates block by block; return what was converted."""
    count, classes, shape = len(numbers), len(search.images.classes), search.images.shape
    arrays = _create(run, search.kind, pair, (count, search.keep, *shape), classes)
    where = f"{search.kind}/{{}}/{pair[0]}_{pair[1]}"
    tries = run.create(where.format("tries"), (count, search.tries, classes), np.float32, ("index", "try", "class"))
    origin = run.create(where.format("origin"), (count, search.keep), np.int64, ("index", "batch"))
    for start, block in search.images.blocks(numbers):
        rows = slice(start, start + len(block))
        found: Found = search.block(pair, numbers, rows)
        tries[rows], origin[rows] = found.tries, found.origin
        for name, values in (("generated", found.generated), ("predictions", found.predictions)):
            arrays[name][rows] = values
        arrays["converted"][rows] = found.converted
    return np.asarray(arrays["converted"][...])


def _write_given(run: Run, images: Images, probe: Frozen, one: Given, count: int) -> np.ndarray:
    """Copy pairs and what was planted in them; return what the classifier takes for the target."""
    arrays = _create(run, one.kind, one.pair, (count, one.batch, *images.shape), len(images.classes))
    planted = {
        read: run.create(
            f"{one.kind}/{what}/{one.pair[0]}_{one.pair[1]}", (count, *images.shape), np.bool_, layout.IMAGE
        )
        for what, read in one.planted.items()
    }
    for start in range(0, count, layout.ROWS):
        rows = slice(start, min(start + layout.ROWS, count))
        made = torch.from_numpy(one.generated(rows))
        scores = probe.scores(made.flatten(0, 1).to(run.device)).cpu().numpy().reshape(*made.shape[:2], -1)
        arrays["generated"][rows], arrays["predictions"][rows] = made.numpy(), scores
        arrays["converted"][rows] = scores.argmax(-1) == one.pair[1]
        for read, array in planted.items():
            array[rows] = read(rows)
    return np.asarray(arrays["converted"][...])


def _write_truth(run: Run, images: Images, kind: str, pair: Pair, count: int) -> None:
    """Copy where the classes differ in these images, if that was planted."""
    name = f"truth/{pair[0]}_{pair[1]}"
    if name in images.root:
        run.save(f"{kind}/{name}", np.asarray(layout.array(images.root, name)[:count]), layout.IMAGE)


def _create(run: Run, kind: str, pair: Pair, shape: tuple[int, ...], classes: int) -> dict[str, Any]:
    where = f"{kind}/{{}}/{pair[0]}_{pair[1]}"
    facts = {"range": [-1.0, 1.0]}
    return {
        "generated": run.create(where.format("generated"), shape, np.float32, layout.TRIES, facts),
        "predictions": run.create(
            where.format("predictions"), (*shape[:2], classes), np.float32, ("index", "batch", "class")
        ),
        "converted": run.create(where.format("converted"), shape[:2], np.bool_, ("index", "batch")),
    }


def _share(kind: str, converted: np.ndarray) -> Figure:
    share, count = float(converted[:, 0].mean()), len(converted)
    low, high = wilson(share, count)
    return Figure(f"converted, {kind}", share, count, low, high, "best try of each image and target")
