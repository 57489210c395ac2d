"""The pairs of a run: fields without stain and with, on the scales that networks see."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int, Integer

from aliter.data import layout
from aliter.data.fields import Fields
from aliter.data.run import Run
from aliter.data.simulate.pairs import CELLS, MEAN, VARIANCE
from aliter.workflows.staining.gather import STATISTICS

_HEADROOM = 1.25
"""Times the usual range of a stain that networks can draw: brighter than all but a thousandth of pixels."""
_Field = Float32[np.ndarray, "_ H W"]


@dataclass(frozen=True)
class Pairs:
    """Fields of which some channels are predicted from others."""

    fields: Fields
    source: tuple[int, ...]
    """Channels without stain."""
    target: tuple[int, ...]
    statistics: Float64[np.ndarray, "C _"]
    """Of all channels, over the fields to learn from."""
    found: Callable[[Float32[np.ndarray, "H W"]], Integer[np.ndarray, "H W"]] | None = None
    """Finds objects in a real stain: what stands in for true ones where none are known."""

    @property
    def stains(self) -> tuple[str, ...]:
        """Names of what is predicted."""
        return tuple(self.fields.channels[place] for place in self.target)

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels of a field."""
        height, width = self.fields.shape
        return height, width

    @cached_property
    def held(self) -> Int[np.ndarray, " N"]:
        """The numbers of the fields that are predicted: those to calibrate, then those to test."""
        return np.concatenate([self.fields.split("val"), self.fields.split("test")])

    @cached_property
    def tested(self) -> Bool[np.ndarray, " N"]:
        """Which of ``held`` are to test."""
        return np.arange(len(self.held)) >= len(self.fields.split("val"))

    @cached_property
    def data_range(self) -> Float64[np.ndarray, " S"]:
        """What each stain spans: from the 0.1th to the 99.9th percentile where it is learned from."""
        rows = self.statistics[list(self.target)]
        return np.asarray(rows[:, STATISTICS.index("p99.9")] - rows[:, STATISTICS.index("p0.1")])

    @cached_property
    def darkest(self) -> Float64[np.ndarray, " S"]:
        """The 0.1th percentile of each stain: its background."""
        return np.asarray(self.statistics[list(self.target), STATISTICS.index("p0.1")])

    def x(self, number: int) -> _Field:
        """Return what is predicted from: each channel with mean 0 and deviation 1 where it is learned from."""
        return self.standardised(self.fields.stored(number)[list(self.source)])

    def standardised(self, image: Integer[np.ndarray, "C H W"] | Float32[np.ndarray, "C H W"]) -> _Field:
        """Return channels without stain as networks see them."""
        rows = self.statistics[list(self.source)]
        mean, sd = (rows[:, STATISTICS.index(name), None, None] for name in ("mean", "sd"))
        return np.asarray((image - mean) / np.maximum(sd, 1e-8), np.float32)

    def stain(self, number: int) -> _Field:
        """Return the real stains, in their own units."""
        return self.fields.stored(number)[list(self.target)].astype(np.float32)

    def signed(self, stain: _Field) -> _Field:
        """Return stains as networks draw them: background -1, and room above what is usual up to 1."""
        low, span = self.darkest[:, None, None], _HEADROOM * self.data_range[:, None, None]
        return np.asarray(2 * (stain - low) / span - 1, np.float32)

    def unsigned(self, drawn: _Field) -> _Field:
        """Return what networks drew in the units of the stains."""
        low, span = self.darkest[:, None, None], _HEADROOM * self.data_range[:, None, None]
        return np.asarray((drawn + 1) / 2 * span + low, np.float32)

    def objects(self, number: int) -> Integer[np.ndarray, "H W"]:
        """Return the true objects of a field, or those that are found in the real stain where none are known."""
        if self.fields.labelled or self.found is None:
            return self.fields.objects(number)
        return self.found(self.stain(number)[0])

    @property
    def oracle(self) -> bool:
        """Whether it is known what the best prediction would be."""
        return MEAN in layout.open_store(self.fields.path)

    def known(self, name: str, number: int) -> _Field:
        """Return what the oracle states of a field: ``mean`` or ``variance``, for each stain."""
        stored = layout.array(layout.open_store(self.fields.path), {"mean": MEAN, "variance": VARIANCE}[name])
        stains = [place - 1 for place in self.target]
        return np.asarray(stored[number], np.float32)[stains]

    def foreground(self, number: int) -> Bool[np.ndarray, "H W"]:
        """Return where cells are, as far as that is known: cells, else objects."""
        root = layout.open_store(self.fields.path)
        if CELLS in root:
            return np.asarray(layout.array(root, CELLS)[number]) > 0
        return self.objects(number) > 0


def pairs_of(run: Run) -> Pairs:
    """Return the pairs of a run."""
    facts = run.facts
    low, high = facts["range"]
    fields = Fields(run.path / facts["images"], (low, high))
    source, target = (tuple(facts["channels"].index(name) for name in facts[key]) for key in ("from", "to"))
    return Pairs(fields, source, target, run.load("statistics"))
