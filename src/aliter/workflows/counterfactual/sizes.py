"""How large the arrays of a run will be, given those of a trial on a handful of its images."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any, Literal

import zarr

from aliter.data import layout, ledger
from aliter.data.images import Images
from aliter.data.run import Run
from aliter.data.sample import Census
from aliter.data.splits import SPLITS, Split
from aliter.workflows.trial import ArraySize

if TYPE_CHECKING:
    from aliter.workflows.counterfactual import Config

Held = Mapping[str, Sequence[tuple[int, int]]]
"""The pairs (source, target) of each kind that a run holds."""


def held(run: Run) -> Held:
    """Return the pairs of each kind that ``run`` holds."""
    found: dict[str, list[tuple[int, int]]] = {}
    for name in run.names():
        kind, _, pair = name.partition("/generated/")
        if pair:
            source, target = map(int, pair.split("_"))
            found.setdefault(kind, []).append((source, target))
    return found


@dataclass(frozen=True)
class Counts:
    """How many images of each class a run will hold and explain."""

    config: "Config"
    found: Census

    def of(self, split: Split | Literal["all"]) -> list[int]:
        """Return the number of images of each class in ``split``."""
        counts = self.found.counts
        return [int(n) for n in (counts.sum(1) if split == "all" else counts[:, SPLITS.index(split)])]

    @cached_property
    def explained(self) -> list[int]:
        """Images of each class that will be explained."""
        limit = self.config.generate.count
        return [min(count, limit or count) for count in self.of(self.config.generate.split)]

    def each(self, pairs: Held) -> float:
        """Return how many images, with a target each, will be explained of one kind: the mean over kinds."""
        lengths = [sum(self.explained[source] for source, _ in members) for members in pairs.values()]
        return sum(lengths) / max(1, len(lengths))

    def written(self, run: Run, pairs: Held) -> dict[str, tuple[ArraySize, ...]]:
        """Return, by stage, the arrays of the trial ``run`` and their siblings, as large as they will be.

        Of the siblings that are alike but for class or pair, the trial need hold only one.
        """
        found: dict[str, dict[str, ArraySize]] = {}
        for name in run.names():
            array = run.array(name)
            size = self._full(name, array, pairs)
            found.setdefault(str(layout.attributes(array)["stage"]), {}).setdefault(size.name, size)
        return {stage: tuple(sizes.values()) for stage, sizes in found.items()}

    def copies(self, images: Images) -> Iterator[ArraySize]:
        """Yield the arrays of the store of all images, and of what was planted in it, given those of a few."""
        others = len(self.found.classes) - 1
        for name in sorted(ledger.arrays(images.path)):
            prefix, _, last = name.rpartition("/")
            array = layout.array(images.root, name)
            if last == "0":
                yield _sized(f"{prefix}/{{class}}", self.of("all"), array, array.shape[1:])
            elif last == "0_1":
                lengths = [count for count in self.of("test") for _ in range(others)]
                yield _sized(f"{prefix}/{{pair}}", lengths, array, array.shape[1:])

    def _full(self, name: str, array: zarr.Array[Any], pairs: Held) -> ArraySize:
        axes: tuple[str, ...] = getattr(array.metadata, "dimension_names", None) or ("",) * array.ndim
        known = {"try": self.config.generate.tries, "shot": self.config.translate.tries}
        shape = [known.get(axis, n) for axis, n in zip(axes, array.shape, strict=True)]
        prefix, _, last = name.rpartition("/")
        lengths, form = shape[:1], name
        if axes[0] == "index" and re.fullmatch(r"\d+", last):
            lengths, form = self.explained, f"{prefix}/{{class}}"
        elif re.fullmatch(r"\d+_\d+", last):
            members, form = pairs[name.partition("/")[0]], f"{prefix}/{{pair}}"
            lengths = [self.explained[source] if axes[0] == "index" else shape[0] for source, _ in members]
        return _sized(form, lengths, array, tuple(shape[1:]))


def _sized(name: str, lengths: Sequence[int], array: zarr.Array[Any], rest: tuple[int, ...]) -> ArraySize:
    """Return arrays of these ``lengths`` whose rows have the shape ``rest``."""
    size = sum(lengths) * prod(rest) * array.dtype.itemsize
    return ArraySize(name, len(lengths), array.dtype.name, (max(lengths), *rest), size)
