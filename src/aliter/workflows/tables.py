"""What was understood of a config, and what it will cost, as tables of text."""

from dataclasses import dataclass

from aliter.data.sample import Census
from aliter.data.splits import SPLITS
from aliter.workflows.check import Planned, Understood, size

_SMALL = 0.002
"""Share of all bytes below which arrays are shown together."""


@dataclass(frozen=True)
class Table:
    """Rows of text to be shown."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(one: Understood) -> tuple[Table, ...]:
    """Return everything: images, stages, arrays, sums."""
    return _images_table(one, one.images), _stages_table(one), _arrays_table(one), _sums_table(one)


def duration(seconds: float) -> str:
    """Return ``seconds`` as people read them."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.2g} s"


def _images_table(one: Understood, images: Census) -> Table:
    counts = [(name, *map(str, row)) for name, row in zip(images.classes, images.counts.tolist(), strict=True)]
    low, high = images.range
    source = "stated" if images.stated else f"all that {images.dtype} holds"
    form = " x ".join(map(str, images.shape))
    facts = [
        ("shape", f"{form} ({', '.join(images.channels)})", images.dtype, size(images.bytes)),
        ("range", f"{low:g} to {high:g}", source, ""),
        ("found", f"{one.observed[0]:g} to {one.observed[1]:g}", f"in {one.sampled} images", ""),
    ]
    return Table("images", ("class", *SPLITS), (*counts, *facts))


def _stages_table(one: Understood) -> Table:
    rows = [
        (
            stage.name,
            stage.why,
            _steps(stage),
            size(stage.cost.disk),
            size(stage.cost.checkpoint) if stage.cost.checkpoint else "",
            size(stage.cost.memory),
            duration(stage.seconds) if stage.due else "",
        )
        for stage in one.stages
    ]
    return Table("stages", ("stage", "why", "steps", "disk", "a checkpoint", "memory", "time at most"), tuple(rows))


def _steps(stage: Planned) -> str:
    if not stage.cost.steps:
        return ""
    return f"{stage.steps:,} of {stage.cost.steps:,}" if stage.begins else f"{stage.cost.steps:,}"


def _arrays_table(one: Understood) -> Table:
    arrays = [(stage.name, array) for stage in one.stages for array in stage.cost.arrays]
    total = sum(array.bytes for _, array in arrays)
    shown = [(name, array) for name, array in arrays if array.bytes > total * _SMALL]
    rows = [
        (name, array.name, str(array.arrays), array.dtype, " x ".join(map(str, array.shape)), size(array.bytes))
        for name, array in shown
    ]
    rest = sum(array.arrays for _, array in arrays) - sum(array.arrays for _, array in shown)
    small = total - sum(array.bytes for _, array in shown)
    return Table(
        "arrays",
        ("stage", "name", "arrays", "type", "shape", "size"),
        (*rows, ("", "all smaller ones", str(rest), "", "", size(small))),
    )


def _sums_table(one: Understood) -> Table:
    there = "unknown" if one.memory_there is None else size(one.memory_there)
    rows = (
        ("disk, uncompressed", size(one.disk), size(one.free)),
        ("memory at the peak", size(one.memory), there),
        ("time at most", duration(one.seconds), ""),
    )
    return Table("in all", ("", "needed", "there"), rows)
