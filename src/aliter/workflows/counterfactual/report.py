"""Show it all on one page."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Float32
from pydantic import PositiveInt

from aliter.core.errors import DataError
from aliter.core.spec import Spec
from aliter.data.images import to_signed
from aliter.data.layout import ROWS, attributes, unpack
from aliter.data.run import Run
from aliter.methods.walk import Sweep
from aliter.report.counterfactual import (
    Explained,
    Group,
    best_methods,
    confusion_matrix,
    curves_by_pair,
    explained_gallery,
    rate_matrices,
    score_matrix,
)
from aliter.report.gallery import Look
from aliter.report.page import Block, Drawings, Page, Prose, Section, Table, write_page
from aliter.report.summary import headline, provenance, splits, stage_tables
from aliter.workflows.counterfactual.evaluate import PLANTED
from aliter.workflows.counterfactual.pairs import Pairs, methods_of, pairs_of
from aliter.workflows.gather import images_of

if TYPE_CHECKING:
    from aliter.workflows.counterfactual import Config


_HEADLINE = {
    "accuracy, test": "classifier accuracy",
    "translation rate, latent": "translation rate, latent styles",
    "translation rate, reference": "translation rate, reference styles",
    "QuAC score, integrated_gradients, reference": "median score, integrated gradients",
}


class Reporting(Spec):
    """What the page shows."""

    items: PositiveInt = 250
    """Explanations of each kind and method in the gallery: three quarters the best, one quarter the worst of all."""


def report(config: "Config", run: Run) -> None:
    """Write the page; it needs no model."""
    sweep, classes = config.evaluate.sweep, tuple(run.facts["classes"])
    gallery = explained_gallery(_explained(run, sweep, config.report.items), _look(run), classes, sweep)
    page = Page(
        title="Counterfactuals",
        lead=(
            f"What would have to change for the classifier to call {_listed(classes)} something else? "
            "Each card shows an image, the smallest change found that turns the answer, and how far to believe it."
        ),
        workflow="counterfactual",
        headline=headline(run, _HEADLINE),
        sections=(
            Section("Explanations", (gallery,), "Ranked by score: at the top, the least change turns the answer most."),
            Section("How good are they?", [*_best(run), *_drawings(run, classes)], "Over all images of each pair."),
            Section("Images", _splits(run), "What was learned from, and what it was tried on."),
            Section("All figures", stage_tables(run), "With the number of images behind each."),
        ),
        provenance=provenance(run, {"images": json.dumps(run.facts["source"])}),
    )
    write_page(page, run.folder / "report")


def _explained(run: Run, sweep: Sweep, most: int) -> Iterator[Explained]:
    """Yield what the gallery shows: of each kind and method the best, and the worst, so that failures are seen."""
    for (_, method), members in _by_method(run).items():
        readers = [_Reader(run, sweep, pairs, method) for pairs in members]
        ranked = [
            (score, group, at)
            for group, reader in enumerate(readers)
            for at, score in np.ndenumerate(run.load(reader.pairs.name(f"scores/{method}")))
        ]
        ranked.sort(reverse=True)
        worst = min(most // 4, max(len(ranked) - most, 0))
        for _, group, at in ranked[: most - worst] + ranked[len(ranked) - worst :]:
            yield readers[group].explained(*at)


class _Reader:
    """Reads what is known of one pair after the other; every array is opened once."""

    def __init__(self, run: Run, sweep: Sweep, pairs: Pairs, method: str):
        self.run, self.sweep, self.pairs, self.method = run, sweep, pairs, method
        self._open = lru_cache(maxsize=None)(run.array)

    def explained(self, row: int, kept: int) -> Explained:
        pairs, method = self.pairs, self.method

        def read(what: str) -> np.ndarray:
            return np.asarray(self._open(pairs.name(what))[row, kept])

        query, generated, mask = self._query(row), read("generated"), read(f"masks/{method}")
        planted = [what for what in PLANTED if pairs.name(what) in self.run]
        return Explained(
            id=unpack(np.asarray(self._open(f"ids/{pairs.source}")[row : row + 1]))[0],
            source=pairs.source,
            target=pairs.target,
            method=method,
            kind=pairs.kind,
            attempt=kept,
            query=_unit(query),
            hybrid=_unit(self._hybrid(query, generated, mask)),
            generated=_unit(generated),
            mask=mask,
            probabilities=(
                np.asarray(self._open(f"predictions/{pairs.source}")[row]),
                read(f"hybrid_predictions/{method}"),
                read("predictions"),
            ),
            curve=read(f"curves/{method}"),
            threshold=float(read(f"thresholds/{method}")),
            score=float(read(f"scores/{method}")),
            converted=bool(read("converted")),
            origin=int(read("origin")) if pairs.name("origin") in self.run else 0,
            attribution=read(f"attributions/{method}").astype(np.float32),
            truth=np.asarray(self._open(pairs.name("truth"))[row]) if "truth" in planted else None,
            truth_scores=read(f"truth_scores/{method}") if "truth" in planted else None,
            shortcut_scores=read(f"shortcut_scores/{method}") if "shortcut" in planted else None,
            completeness=float(read(f"completeness/{method}")),
            best=self._best(row, kept),
        )

    def _best(self, row: int, kept: int) -> bool | None:
        if self.pairs.name("best") not in self.run:
            return None
        best = self._open(self.pairs.name("best"))
        methods = list(attributes(best)["methods"])
        return methods[int(np.asarray(best[row, kept]))] == self.method if len(methods) > 1 else None

    def _query(self, row: int) -> Float32[np.ndarray, "C H W"]:
        array = self._open(f"images/{self.pairs.source}")
        low, high = attributes(array)["range"]
        return to_signed(np.asarray(array[row]), (low, high))

    def _hybrid(self, x: np.ndarray, other: np.ndarray, mask: np.ndarray) -> np.ndarray:
        made = self.sweep.hybrid(torch.from_numpy(x), torch.from_numpy(other), torch.from_numpy(mask))
        return np.asarray(made.numpy())


def _by_method(run: Run) -> dict[tuple[str, str], list[Pairs]]:
    """Return the pairs of each kind and method."""
    found: dict[tuple[str, str], list[Pairs]] = {}
    for pairs in pairs_of(run):
        for method in methods_of(run, pairs):
            found.setdefault((pairs.kind, method), []).append(pairs)
    return found


def _splits(run: Run) -> Sequence[Block]:
    try:
        return splits(images_of(run))
    except DataError:
        return [Prose("The images are not where they were when they were learned from: their splits are not counted.")]


def _best(run: Run) -> list[Table]:
    """Return how often each method is best, if there are several."""
    found: dict[str, Counter[str]] = {}
    for pairs in pairs_of(run):
        if pairs.name("best") in run:
            methods = attributes(run.array(pairs.name("best")))["methods"]
            counts = Counter({str(method): 0 for method in methods})
            counts.update(str(methods[place]) for place in run.load(pairs.name("best")).ravel())
            found.setdefault(pairs.kind, Counter()).update(counts)
    return [best_methods(found)] if any(len(counts) > 1 for counts in found.values()) else []


def _drawings(run: Run, classes: Sequence[str]) -> list[Drawings]:
    splits = [name.split("/")[1] for name in run.names() if name.startswith("confusion/")]
    drawings = [Drawings([confusion_matrix(run.load(f"confusion/{split}"), classes, split) for split in splits])]
    for name in run.names():
        if name.startswith("rates/"):
            drawings.append(rate_matrices(run.load(name), classes, name.split("/")[1]))
    for kind, members in groupby(_by_method(run).items(), key=lambda item: item[0][0]):
        curves: dict[Group, list[Float[np.ndarray, "T 3"]]] = {}
        scores: dict[Group, Float[np.ndarray, " N"]] = {}
        for (_, method), group in members:
            for pairs in group:
                key = (f"{classes[pairs.source]} ({kind})", classes[pairs.target], method)
                found = run.load(pairs.name(f"curves/{method}"))
                curves[key] = list(found.reshape(-1, *found.shape[2:]))
                scores[key] = run.load(pairs.name(f"scores/{method}")).ravel()
        drawings += [Drawings([score_matrix(scores)]), curves_by_pair(curves)]
    return drawings


def _look(run: Run) -> Look:
    labels = range(len(run.facts["classes"]))
    sample = np.concatenate([np.asarray(run.array(f"images/{label}")[:ROWS]) for label in labels])
    return Look.fitted(sample, tuple(run.facts["channels"]), tuple(run.facts["range"]))


def _unit(x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    return np.asarray((x + 1) / 2)


def _listed(classes: Sequence[str]) -> str:
    return ", ".join(classes[:-1]) + " or " + classes[-1]
