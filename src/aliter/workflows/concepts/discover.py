"""Find what recurs in the detector's own features, around what it detects."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Int
from pydantic import PositiveInt

from aliter.core.errors import DataError
from aliter.core.rng import chance
from aliter.core.spec import Spec
from aliter.data.run import Figure, Run
from aliter.data.simulate.tissue import KINDS
from aliter.data.tiles import Tiles
from aliter.methods.concept import Discovery
from aliter.methods.concept.ace import ACE
from aliter.methods.concept.group import Concept
from aliter.workflows.concepts.detect import detector_of, found_of
from aliter.workflows.concepts.gather import tiles_of
from aliter.workflows.concepts.patches import Segmenting, activations, cut, kinds_of, mapping
from aliter.workflows.concepts.words import words_of

if TYPE_CHECKING:
    from aliter.workflows.concepts import Config

_FEWEST = 8
_TRIES = 100
_PLANTED = tuple(name for name in KINDS if name not in ("background", "look-alike"))
"""Kinds that are tested as concepts of their own, where the truth is known."""


class Discovering(Spec):
    """Where concepts are looked for, and how."""

    layers: tuple[str, ...] = ("backbone.body.layer2", "backbone.body.layer3")
    """Names of modules of what is explained."""
    images: PositiveInt = 150
    """Detections in training tiles around which is looked, at most: the surest."""
    segments: Segmenting = Segmenting()
    method: Discovery = ACE()
    elsewhere: PositiveInt = 150
    """Windows away from all detections, whose segments are what concepts are compared with."""
    seed: int = 0


@dataclass(frozen=True)
class Named:
    """A concept of a run."""

    layer: str
    name: str
    members: Int[np.ndarray, " M"]
    """Rows of the segments that stand for it."""

    @property
    def key(self) -> str:
        """Layer and name: unique in a run."""
        return f"{self.layer}/{self.name}"


def discover(config: "Config", run: Run) -> None:
    """Segment windows around detections and elsewhere; group those around detections by each layer's activations."""
    choice, tiles = config.discover, tiles_of(run)
    net, words = detector_of(config, run), words_of(tiles)
    found = found_of(run, "train", run.facts["threshold"])
    order = np.sort(np.argsort(-found.scores, kind="stable")[: choice.images])
    if len(order) < _FEWEST:
        wanted = f"{_FEWEST} {words.found}, in training {words.tile}s"
        raise DataError(f"expected {wanted}, found {len(order)}; train detect for longer")
    boxes = found.where(order)
    patches = cut(tiles, boxes.tile, (boxes.corners[:, :2] + boxes.corners[:, 2:]) / 2, choice.segments)
    pool = cut(tiles, *_elsewhere(tiles, found.tile, found.corners, choice), choice.segments)
    for name, one in (("patches", patches), ("pool", pool)):
        one.save(run, name)
        run.save(f"{name}/kind", kinds_of(tiles, one), ("patch",))
        mapping(
            activations(net, tiles, one, choice.layers, choice.segments.view, run.device), run, f"{name}/activations"
        )
    figures = [Figure("segments", float(len(patches)), len(order), note=f"{len(pool)} elsewhere")]
    for layer in choice.layers:
        rows = run.load(f"patches/activations/{layer}").astype(np.float64)
        concepts = choice.method(rows, patches.source, choice.seed)
        _save(run, layer, concepts, len(patches))
        figures += _figures(run, layer, concepts, len(order), tiles.kinds is not None)
    run.record(figures)


def concepts_of(run: Run, layer: str) -> list[Named]:
    """Return the concepts that were found in a layer, and those that were planted, if they are known."""
    count = run.array(f"concepts/{layer}").shape[0]
    members = run.load(f"concepts/{layer}")
    return [Named(layer, f"{number:02d}", members[number][members[number] >= 0]) for number in range(count)]


def planted_of(run: Run, layer: str, most: int) -> list[Named]:
    """Return what was planted, as concepts: segments mostly of one kind, in the order of their windows."""
    kinds = run.load("patches/kind")
    rows = {name: np.flatnonzero(kinds == KINDS.index(name)) for name in _PLANTED}
    return [Named(layer, name, _spread(one, most)) for name, one in rows.items() if len(one) >= _FEWEST]


def all_of(config: "Config", run: Run, layer: str) -> list[Named]:
    """Return the concepts of a layer that are tested: those found and, where they are known, those planted."""
    planted = planted_of(run, layer, config.discover.method.most) if config.score.planted else []
    return [*concepts_of(run, layer), *planted]


def rows_of(run: Run, layer: str, name: str = "patches") -> Float32[np.ndarray, "N D"]:
    """Return the activations of all segments at a layer."""
    return run.load(f"{name}/activations/{layer}")


def _spread(rows: Int[np.ndarray, " N"], most: int) -> Int[np.ndarray, " M"]:
    """Return at most so many of ``rows``, evenly over them."""
    if len(rows) <= most:
        return rows
    found: np.ndarray = rows[np.linspace(0, len(rows) - 1, most).round().astype(int)]
    return found


def _elsewhere(
    tiles: Tiles, tile: Int[np.ndarray, " N"], corners: Float32[np.ndarray, "N 4"], choice: Discovering
) -> tuple[Int[np.ndarray, " M"], Float32[np.ndarray, "M 2"]]:
    """Draw places of training tiles whose windows touch the window of no detection; tiles in order."""
    rng, side = chance(choice.seed, "elsewhere"), tiles.shape[1]
    half, train = choice.segments.window / 2, tiles.split("train")
    centres = (corners[:, :2] + corners[:, 2:]) / 2
    kept: list[tuple[int, float, float]] = []
    for _ in range(choice.elsewhere * _TRIES):
        if len(kept) == choice.elsewhere:
            break
        one = int(rng.choice(train))
        x, y = rng.uniform(half, side - half, 2).tolist()
        apart = np.abs(centres[tile == one] - np.array([x, y])).max(axis=1)
        if (apart >= 0.75 * choice.segments.window).all():
            kept.append((one, x, y))
    if len(kept) < _FEWEST:
        wanted = f"{_FEWEST} windows away from {words_of(tiles).found}"
        raise DataError(f"expected {wanted}, found {len(kept)}; choose a smaller window")
    kept.sort()
    return np.array([one[0] for one in kept]), np.array([one[1:] for one in kept], np.float32)


def _save(run: Run, layer: str, concepts: list[Concept], count: int) -> None:
    """Save the members of each concept, padded by -1, and the concept of each segment, -1 for none."""
    most = max((len(one.members) for one in concepts), default=1)
    members = np.full((len(concepts), most), -1, np.int64)
    group = np.full(count, -1, np.int64)
    for number, one in enumerate(concepts):
        members[number, : len(one.members)] = one.members
        group[one.group] = number
    run.save(f"concepts/{layer}", members, ("concept", "member"))
    run.save(f"groups/{layer}", group, ("patch",))
    if concepts and all(one.direction is not None for one in concepts):
        directions = [one.direction for one in concepts if one.direction is not None]
        run.save(f"directions/{layer}", np.stack(directions), ("concept", "channel"))


def purities(run: Run, layer: str) -> list[tuple[str, float]]:
    """Return for each concept of a layer the kind that most of its members are, and their share."""
    kinds = run.load("patches/kind")
    found = []
    for one in concepts_of(run, layer):
        counts = np.bincount(kinds[one.members], minlength=len(KINDS))
        found.append((KINDS[int(counts.argmax())], float(counts.max() / counts.sum())))
    return found


def _figures(run: Run, layer: str, concepts: list[Concept], images: int, known: bool) -> list[Figure]:
    """Return how many concepts there are and, where the truth is known, how pure they are and what they cover."""
    short = layer.rpartition(".")[2]
    figures = [Figure(f"concepts, {short}", float(len(concepts)), images)]
    if not known or not concepts:
        return figures
    kinds, group, pure = run.load("patches/kind"), run.load(f"groups/{layer}"), purities(run, layer)
    share = float(np.mean([value for _, value in pure]))
    figures.append(Figure(f"purity, {short}", share, images, note="mean share of the commonest kind among members"))
    for place, name in enumerate(KINDS):
        mine = kinds == place
        if name not in ("background", "look-alike", "nucleus") and mine.any():
            own = [number for number, (kind, _) in enumerate(pure) if kind == name]
            covered = float(np.isin(group[mine], own).mean())
            note = f"of {int(mine.sum())} segments, in a concept that is mostly {name}"
            figures.append(Figure(f"coverage of {name}, {short}", covered, images, note=note))
    return figures
