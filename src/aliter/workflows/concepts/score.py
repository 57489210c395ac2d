"""Test whether the detector's answer rises along each concept, more than along what is none."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from jaxtyping import Float32
from pydantic import PositiveFloat, PositiveInt

from aliter.core.errors import DataError
from aliter.core.rng import chance
from aliter.core.spec import Spec
from aliter.data.run import Figure, Run
from aliter.data.tiles import Tiles
from aliter.methods.concept.cav import Kind, cav
from aliter.methods.concept.significance import Held, Scores, Tested, drawn_sets, held_out, score_table, significance
from aliter.nets.detector import Detector
from aliter.nets.layers import inserted, watched
from aliter.ops.stats import benjamini_hochberg, bonferroni
from aliter.workflows.concepts.detect import Found, detector_of, found_of, fresh_detector
from aliter.workflows.concepts.discover import Named, concepts_of, planted_of, rows_of
from aliter.workflows.concepts.gather import tiles_of
from aliter.workflows.concepts.patches import Patches, activations

if TYPE_CHECKING:
    from aliter.workflows.concepts import Config

Answer = Literal["margin", "logit", "prob"]
"""What is differentiated: the logit of a figure less that of the background, itself, or its probability."""


class Scoring(Spec):
    """How concepts are tested."""

    kind: Kind = "mean_difference"
    """How a direction is found; the first two are slower by far."""
    steer: Kind = "pattern"
    """How the stored directions are found, along which detections are shifted."""
    answer: Answer = "margin"
    sets: PositiveInt = 20
    """Sets of other segments that each concept is compared with."""
    nulls: PositiveInt = 2000
    """Sets that are no concept, among which a concept is ranked."""
    checks: PositiveInt = 1000
    """More of them, treated as concepts: how often each test errs."""
    alpha: PositiveFloat = 0.05
    planted: bool = True
    """Whether what was planted is tested too, where it is known."""
    controls: bool = True
    """Whether all is done again with a detector that learned nothing, and with concepts of shuffled members."""
    seed: int = 0


@dataclass(frozen=True)
class Row:
    """One concept, tested."""

    layer: str
    name: str
    size: int
    score: float
    """Mean share of the detections whose answer rises along it."""
    low: float
    """Lowest over the sets."""
    high: float
    lean: float
    """Mean cosine between the gradients of the answers and the concept."""
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    t_p: float
    flip_p: float
    rank_p: float
    effect: float
    control: str = ""
    """Empty for a concept; else which control it is of."""
    adjusted: float = 1.0
    """``rank_p`` after Benjamini and Hochberg, over all of its kind."""
    family: float = 1.0
    """``rank_p`` after Bonferroni."""


def score(config: "Config", run: Run) -> None:
    """Differentiate the answer of every detection in ``test``; test every concept; check the tests themselves."""
    choice, tiles = config.score, tiles_of(run)
    net, layers = detector_of(config, run), config.discover.layers
    found = found_of(run, "test", run.facts["threshold"])
    if not len(found.tile):
        raise DataError("expected detections in tiles for testing, found none; train detect for longer")
    gradients = answer_gradients(net, tiles, found, layers, choice.answer, run.device)
    rows: list[Row] = []
    errors: list[Figure] = []
    for layer in layers:
        run.save(f"gradients/{layer}", gradients[layer], ("detection", "channel"))
        bench = _Bench(choice, gradients[layer], rows_of(run, layer), rows_of(run, layer, "pool"), layer)
        concepts = _all_of(config, run, layer)
        rows += [bench.row(one) for one in concepts]
        errors += bench.errors()
        _store(run, bench, concepts)
        if choice.controls:
            rows += [bench.row(one, "shuffled members") for one in bench.shuffled(concepts)]
    if choice.controls:
        rows += _untrained(config, run, tiles, found)
    rows = _corrected(rows)
    (run.folder / "concepts.json").write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")
    run.record([*_figures(rows, choice, len(found.tile)), *errors])


def scored(run: Run) -> list[Row]:
    """Return what ``score`` found."""
    place = run.folder if (run.folder / "concepts.json").is_file() else run.path
    return [Row(**row) for row in json.loads((place / "concepts.json").read_text(encoding="utf-8"))]


def answer_of(kind: Answer) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the function from logits (B, K) to what is differentiated, of class 1."""
    if kind == "margin":
        return lambda logits: logits[:, 1] - logits[:, 0]
    return (lambda logits: logits[:, 1]) if kind == "logit" else (lambda logits: logits.softmax(-1)[:, 1])


def answer_gradients(
    net: Detector, tiles: Tiles, found: Found, layers: Sequence[str], kind: Answer, device: str
) -> dict[str, Float32[np.ndarray, "N D"]]:
    """Return the gradient of each detection's answer at each layer, summed over cells.

    The answer is read where the detector read it: in the proposal that the detection comes from.
    """
    parts: dict[str, list[np.ndarray]] = {name: [] for name in layers}
    for row in range(len(found.tile)):
        x = torch.from_numpy(tiles.signed(found.tile[row : row + 1])).to(device)
        maps = gradient_maps(net, x, torch.from_numpy(found.boxes[row : row + 1]).to(device), layers, kind)
        for name in layers:
            parts[name].append(maps[name].sum((2, 3)).cpu().numpy()[0])
    return {name: np.stack(rows) for name, rows in parts.items()}


def gradient_maps(
    net: Detector, x: torch.Tensor, box: torch.Tensor, layers: Sequence[str], kind: Answer
) -> dict[str, torch.Tensor]:
    """Return the gradient of the answer in one box of one image, by layer, (1, D, h, w)."""
    with torch.no_grad(), watched(net, layers) as seen:
        net.backbone(net.prepare(x))
        shapes = {name: seen[name].shape for name in layers}
    zeros: Mapping[str, torch.Tensor] = {
        name: torch.zeros(shapes[name], device=x.device, requires_grad=True) for name in layers
    }
    with inserted(net, zeros):
        answer = answer_of(kind)(net.box_logits(x, [box])).sum()
    return dict(zip(layers, torch.autograd.grad(answer, [zeros[name] for name in layers]), strict=True))


def _all_of(config: "Config", run: Run, layer: str) -> list[Named]:
    most = config.discover.method.most
    planted = planted_of(run, layer, most) if config.score.planted else []
    return [*concepts_of(run, layer), *planted]


@dataclass(frozen=True)
class _Bench:
    """All that the concepts of one layer are tested against."""

    choice: Scoring
    gradients: Float32[np.ndarray, "N D"]
    own: Float32[np.ndarray, "P D"]
    """Activations of segments around detections."""
    pool: Float32[np.ndarray, "Q D"]
    """Of those elsewhere."""
    layer: str

    def __hash__(self) -> int:
        return id(self)

    @cache  # noqa: B019
    def against(self, size: int) -> tuple[list[np.ndarray], Scores]:
        """Return the sets that concepts of a size are compared with, and the scores of sets that are none.

        The two are drawn from different halves of the segments.
        """
        rng = chance(self.choice.seed, "sets", self.layer, size)
        order = rng.permutation(len(self.pool))
        first, second = order[: len(order) // 2], order[len(order) // 2 :]
        negatives = [self.pool[rows] for rows in drawn_sets(self.choice.sets, size, first, rng)]
        count = self.choice.nulls + self.choice.checks
        nulls = [self.pool[rows] for rows in drawn_sets(count, size, second, rng)]
        return negatives, score_table(self.gradients, nulls, negatives, self.choice.kind)

    def row(self, one: Named, control: str = "") -> Row:
        """Return a concept, tested."""
        members = self.own[one.members]
        negatives, null = self.against(len(members))
        scores = score_table(self.gradients, [members], negatives, self.choice.kind)
        result = significance(scores, null[: self.choice.nulls])
        held = held_out(members, negatives, self.choice.kind, chance(self.choice.seed, "held", one.key))
        ends = float(scores.share.min()), float(scores.share.max())
        return _row(one, result, len(members), ends, held, control)

    def shuffled(self, concepts: Sequence[Named]) -> list[Named]:
        """Return sets of the same sizes, drawn from the members of all concepts together."""
        rng = chance(self.choice.seed, "shuffled", self.layer)
        whole = np.unique(np.concatenate([one.members for one in concepts])) if concepts else np.zeros(0, int)
        return [Named(self.layer, one.name, rng.choice(whole, len(one.members), replace=False)) for one in concepts]

    def errors(self) -> list[Figure]:
        """Return how often each test takes a set that is no concept for one."""
        size = min(40, len(self.own), len(self.pool) // 2)
        _, null = self.against(size)
        known = null[: self.choice.nulls]
        places = range(self.choice.nulls, self.choice.nulls + self.choice.checks)
        results = [significance(null[place : place + 1], known) for place in places]
        short = self.layer.rpartition(".")[2]
        note = f"share of {len(results)} sets that are no concept with p < {self.choice.alpha:g}"
        return [
            Figure(
                f"false positives, {name}, {short}",
                float(np.mean([getattr(one, field) < self.choice.alpha for one in results])),
                len(results),
                note=note,
            )
            for name, field in (("rank", "rank_p"), ("paired t", "t_p"), ("sign flips", "flip_p"))
        ]


def _row(one: Named, result: Tested, size: int, ends: tuple[float, float], held: Held, control: str) -> Row:
    return Row(
        layer=one.layer,
        name=one.name,
        size=size,
        score=result.share,
        low=ends[0],
        high=ends[1],
        lean=result.lean,
        accuracy=held.share,
        accuracy_low=held.low,
        accuracy_high=held.high,
        t_p=result.t_p,
        flip_p=result.flip_p,
        rank_p=result.rank_p,
        effect=result.effect,
        control=control,
    )


def _untrained(config: "Config", run: Run, tiles: Tiles, found: Found) -> list[Row]:
    """Return the same concepts, tested in a detector that learned nothing."""
    blank = config.detect.model_copy(update={"net": config.detect.net.model_copy(update={"weights": None})})
    net = fresh_detector(blank, 1).to(run.device).eval().requires_grad_(False)
    layers, view = config.discover.layers, config.discover.segments.view
    gradients = answer_gradients(net, tiles, found, layers, config.score.answer, run.device)
    own, pool = (
        activations(net, tiles, Patches.load(run, name), layers, view, run.device) for name in ("patches", "pool")
    )
    rows: list[Row] = []
    for layer in layers:
        bench = _Bench(config.score, gradients[layer], own[layer], pool[layer], layer)
        rows += [bench.row(one, "random weights") for one in _all_of(config, run, layer)]
    return rows


def _store(run: Run, bench: _Bench, concepts: Sequence[Named]) -> None:
    """Save the direction of each concept, against all segments elsewhere: usable on any image."""
    kind = bench.choice.steer
    directions = [cav(bench.own[one.members], bench.pool, kind) for one in concepts]
    if directions:
        run.save(f"cavs/{bench.layer}", np.stack(directions).astype(np.float32), ("concept", "channel"))
        run.describe({f"cavs/{bench.layer}": [one.name for one in concepts]})


def cavs_of(run: Run, layer: str) -> dict[str, Float32[np.ndarray, " D"]]:
    """Return the stored directions of a layer, by name."""
    names = run.facts.get(f"cavs/{layer}", [])
    return dict(zip(names, run.load(f"cavs/{layer}"), strict=True)) if names else {}


def _corrected(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with their p corrected, over all layers; each control on its own."""
    from dataclasses import replace

    made: list[Row] = []
    for control in dict.fromkeys(row.control for row in rows):
        mine = [row for row in rows if row.control == control]
        p = np.array([row.rank_p for row in mine])
        for row, adjusted, family in zip(mine, benjamini_hochberg(p), bonferroni(p), strict=True):
            made.append(replace(row, adjusted=float(adjusted), family=float(family)))
    return made


def _figures(rows: Sequence[Row], choice: Scoring, detections: int) -> list[Figure]:
    figures = [Figure("detections differentiated", float(detections), detections)]
    for control in dict.fromkeys(row.control for row in rows):
        mine = [row for row in rows if row.control == control]
        share = sum(row.adjusted < choice.alpha for row in mine) / len(mine)
        note = f"of {len(mine)}, p < {choice.alpha:g} by rank after Benjamini and Hochberg"
        figures.append(Figure(f"significant, {control or 'concepts'}", share, detections, note=note))
    return figures
