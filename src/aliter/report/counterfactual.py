"""What a counterfactual run shows, said in terms of galleries, figures and tables.

Plain values come in, one explained image at a time; where they are read from is the caller's business.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from aliter.ops.classification import wilson
from aliter.ops.curves import SHARES, population
from aliter.report.figures import Axes, Band, bands, matrix
from aliter.report.gallery import Blind, Gallery, Item, Look, growth_of
from aliter.report.page import Drawing, Drawings, Table

Group = tuple[str, str, str]
"""Source, target and method, by name."""

LEGEND: Mapping[str, str] = {
    "query": "the image as it was taken",
    "hybrid": "the query with only the mask replaced",
    "generated": "the whole image, drawn as the other class",
    "mask": "what was replaced: the region that changes the answer most for its size",
    "truth": "where the classes really differ; known, because it was planted",
    "score": "area under the curve: near 1, a tiny region is enough to change the answer; 0, nothing changes it",
}
_SIZE, _CHANGE = "share of the image replaced", "rise of the target's probability"
_PERCENT = "\u00a0%"


class Sweep(Protocol):
    """How masks were made of attributions."""

    @property
    def blur_sigma_px(self) -> float:
        """Width of the Gaussian that softens a mask."""

    def closed(self, attribution: Float[Tensor, "C H W"]) -> Float[Tensor, "C H W"]:
        """Return the grey image whose values above a threshold are the mask of that threshold."""


@dataclass(frozen=True)
class Explained:
    """One query, one counterfactual of it and one attribution; images are in [0, 1] of the declared range."""

    id: str
    """Of the query: its relative path."""
    source: int
    target: int
    method: str
    kind: str
    """Where the counterfactual is from: ``latent``, ``reference``, or the name of given pairs."""
    attempt: int
    """Its place among the kept tries, from 0."""
    query: Float[np.ndarray, "C H W"]
    hybrid: Float[np.ndarray, "C H W"]
    generated: Float[np.ndarray, "C H W"]
    mask: Bool[np.ndarray, "C H W"]
    probabilities: tuple[Float[np.ndarray, " K"], Float[np.ndarray, " K"], Float[np.ndarray, " K"]]
    """Of the query, of the hybrid, of the generated image."""
    curve: Float[np.ndarray, "T 3"]
    """Threshold, mask size, change of score; rows of NaN at the end are none."""
    threshold: float
    """The one that was chosen."""
    score: float
    converted: bool
    origin: int
    """Latent seed or number of the reference image."""
    attribution: Float[np.ndarray, "C H W"] | None = None
    """In [0, 1]; with it, the reader can let the mask grow."""
    truth: Bool[np.ndarray, "C H W"] | None = None
    truth_scores: Float[np.ndarray, " 4"] | None = None
    """IoU, precision, recall, average precision."""
    shortcut_scores: Float[np.ndarray, " 4"] | None = None
    """The same against a planted shortcut, which no explanation of a sound classifier points at."""
    completeness: float = float("nan")
    best: bool | None = None
    """Whether no other method explains this counterfactual better, by score; None if there is no other."""


def explained_gallery(explained: Iterable[Explained], look: Look, classes: Sequence[str], sweep: Sweep) -> Gallery:
    """Return the gallery of all that was ``explained``; it is taken one by one, when the page is written."""

    def items() -> Iterator[Item]:
        for one in explained:
            yield explained_item(one, classes, sweep)

    return Gallery(
        items(),
        look,
        ("query", "generated"),
        LEGEND,
        tuple(classes),
        (_SIZE, _CHANGE),
        sweep.blur_sigma_px,
        "explanations",
        blind=Blind("Which class is the left image?", tuple(classes), "Is the difference convincing?"),
    )


def explained_item(one: Explained, classes: Sequence[str], sweep: Sweep) -> Item:
    """Return what the gallery shows of ``one``."""
    curve = one.curve[np.isfinite(one.curve).all(axis=1)]
    chosen = int(np.argmin(np.abs(curve[:, 0] - one.threshold))) if len(curve) else None
    before, after, whole = one.probabilities
    return Item(
        id=f"{one.kind}/{one.method}/{one.source}_{one.target}/{one.id}/{one.attempt}",
        title=f"{classes[one.source]} → {classes[one.target]}",
        subtitle=f"{_words(one.method)} · {one.kind}",
        facets=_facets(one, classes),
        numbers=_numbers(one),
        frames={"query": one.query, "hybrid": one.hybrid, "generated": one.generated},
        outlines={"mask": one.mask} | ({} if one.truth is None else {"truth": one.truth}),
        bars={"query": before, "hybrid": after, "generated": whole},
        highlight=(one.source, one.target),
        truths={"query": classes[one.source], "generated": classes[one.target]},
        curve=curve[:, 1:] if len(curve) else None,
        chosen=chosen,
        growth=_growth(one, curve, sweep),
        facts={
            "image": one.id,
            "latent seed" if one.kind == "latent" else "counterfactual no.": str(one.origin),
            "try kept": str(one.attempt + 1),
            "chosen threshold": f"{one.threshold:.3g}",
        },
        caption=_caption(one, classes),
        warnings=_warnings(one, classes),
    )


def curves_by_pair(curves: Mapping[Group, Sequence[Float[np.ndarray, "T 3"]]]) -> Drawings:
    """Return, for each pair of classes, the median curve of each method with the band of its middle half."""
    pairs = dict.fromkeys((source, target) for source, target, _ in curves)
    lowest = min((float(np.nanmin(curve[:, 2])) for group in curves.values() for curve in group), default=0.0)
    axes = Axes(_SIZE, _CHANGE, y=(min(0.0, np.floor(lowest * 5) / 5) if lowest < -0.1 else 0.0, 1.0))
    drawings = []
    for source, target in pairs:
        found = {method: curves[source, target, method] for a, b, method in curves if (a, b) == (source, target)}
        lines = [_band(method, group) for method, group in found.items() if len(group)]
        images = max((len(group) for group in found.values()), default=0)
        title = f"{source} → {target}"
        drawings.append(Drawing(bands(lines, axes, f"median curves, {title}"), title, f"{images:,} images"))
    return Drawings(drawings)


def score_matrix(scores: Mapping[Group, Float[np.ndarray, " N"]]) -> Drawing:
    """Return the median score of each pair and method, with the quartiles below it."""
    rows = list(dict.fromkeys((source, target) for source, target, _ in scores))
    columns = list(dict.fromkeys(method for _, _, method in scores))
    values = np.full((len(rows), len(columns)), np.nan)
    texts = [["" for _ in columns] for _ in rows]
    for (source, target, method), group in scores.items():
        found = group[np.isfinite(group)]
        if len(found):
            row, column = rows.index((source, target)), columns.index(method)
            low, middle, high = np.quantile(found, (0.25, 0.5, 0.75))
            values[row, column] = middle
            texts[row][column] = f"{middle:.2f}\n{low:.2f} – {high:.2f}"
    names = ([f"{source} → {target}" for source, target in rows], [_words(name) for name in columns])
    svg = matrix(values, texts, names, ("", "method"), "median score of each pair and method")
    return Drawing(svg, "Median score", "Below it, the quartiles: half of the images lie between them.")


def confusion_matrix(counts: Int[np.ndarray, "K K"], classes: Sequence[str], split: str) -> Drawing:
    """Return how the classifier took the images of each class; shares of a row are its strength."""
    total = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
    texts = [[f"{int(count):,}" for count in row] for row in counts]
    svg = matrix(shares, texts, (classes, classes), ("true class", "predicted class"), f"confusion matrix, {split}")
    right = 100 * float(np.trace(counts) / max(counts.sum(), 1))
    return Drawing(svg, "Classifier", f"{int(counts.sum()):,} images of the {split} split; {right:.1f} % are right.")


def rate_matrices(rates: Float[np.ndarray, "K K 3"], classes: Sequence[str], kind: str) -> Drawings:
    """Return how often the generator reached the target, for each pair of classes: translation and conversion."""
    drawings, counts = [], rates[..., 2]
    for place, (name, meaning) in enumerate(
        (
            ("Translation rate", "Share of generated images that the classifier takes for the target."),
            ("Conversion rate", "Share of queries that one of the tries brought to the target."),
        )
    ):
        values = rates[..., place]
        texts = [[_rate(*both) for both in zip(*rows, strict=True)] for rows in zip(values, counts, strict=True)]
        svg = matrix(values, texts, (classes, classes), ("source", "target"), f"{name}, {kind}")
        drawings.append(Drawing(svg, f"{name}, {kind}", f"{meaning} Below it, the 95 % interval over images."))
    return Drawings(drawings)


def best_methods(best: Mapping[str, Mapping[str, int]]) -> Table:
    """Return how often each method explains best; ``best`` holds the counts of each kind, by method."""
    methods = list(dict.fromkeys(method for counts in best.values() for method in counts))
    rows = []
    for kind, counts in best.items():
        total = max(sum(counts.values()), 1)
        shares = [f"{100 * counts.get(method, 0) / total:.0f}{_PERCENT}" for method in methods]
        rows.append((kind, *shares, f"{sum(counts.values()):,}"))
    names = tuple(_words(method) for method in methods)
    caption = "Which method explains best: the share of counterfactuals on which it has the highest score of all."
    return Table(("kind", *names, "counterfactuals"), rows, caption, (*names, "counterfactuals"))


def _rate(value: float, count: float) -> str:
    """Return a rate in per cent with its interval below, if it was measured at all."""
    if not np.isfinite(value):
        return ""
    low, high = wilson(float(value), int(count))
    return f"{100 * value:.0f} %\n{100 * low:.0f} – {100 * high:.0f}"


def _facets(one: Explained, classes: Sequence[str]) -> dict[str, str]:
    return {
        "source": classes[one.source],
        "target": classes[one.target],
        "method": _words(one.method),
        "kind": one.kind,
        "classified": "right" if int(np.argmax(one.probabilities[0])) == one.source else "wrong",
        "converted": "yes" if one.converted else "no",
    } | ({} if one.best is None else {"best method": "yes" if one.best else "no"})


def _numbers(one: Explained) -> dict[str, float]:
    numbers = {"score": one.score, "mask size": float(one.mask.mean())}
    if one.truth_scores is not None:
        numbers |= {"IoU with truth": float(one.truth_scores[0]), "average precision": float(one.truth_scores[3])}
    if one.shortcut_scores is not None and np.isfinite(one.shortcut_scores[3]):
        numbers["average precision, shortcut"] = float(one.shortcut_scores[3])
    if np.isfinite(one.completeness):
        numbers["completeness error"] = one.completeness
    return numbers


def _growth(one: Explained, curve: Float[np.ndarray, "T 3"], sweep: Sweep) -> UInt8[np.ndarray, "C H W"] | None:
    """Return from which point of the curve on each value is replaced, if the attribution is there."""
    if one.attribution is None or not len(curve):
        return None
    closed = sweep.closed(torch.from_numpy(np.asarray(one.attribution)).float())
    return growth_of(closed.numpy(), curve[:, 0])


def _caption(one: Explained, classes: Sequence[str]) -> str:
    before, after = (shares[one.target] for shares in one.probabilities[:2])
    says = int(np.argmax(one.probabilities[1]))
    verdict = "the classifier now says" if says == one.target else "the classifier still says"
    if says not in (one.source, one.target):
        verdict = "the classifier then says"
    return (
        f"Replacing {_percent(one.mask.mean())} of the image moves the probability of {classes[one.target]} from "
        f"{_percent(before)} to {_percent(after)}; {verdict} {classes[says]}."
    )


def _warnings(one: Explained, classes: Sequence[str]) -> tuple[str, ...]:
    found = []
    if not one.converted:
        found.append(f"conversion failed: the generated image is not taken for {classes[one.target]}")
    taken = int(np.argmax(one.probabilities[0]))
    if taken != one.source:
        found.append(f"the query is taken for {classes[taken]}")
    return tuple(found)


def _band(method: str, curves: Sequence[Float[np.ndarray, "T 3"]]) -> Band:
    """Return the quartiles of ``curves`` at each mask size."""
    low, middle, high = population(curves).T
    return Band(_words(method), SHARES, low, middle, high)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _percent(share: float) -> str:
    if 0 < share < 0.01:
        return f"less than 1{_PERCENT}"
    return f"over 99{_PERCENT}" if 0.99 < share < 1 else f"{100 * share:.0f}{_PERCENT}"
