"""Bring pairs of images into one store, and measure each channel where it is learned from."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from aliter.core.errors import RequestError
from aliter.data.fields import Fields
from aliter.data.ihc import Ihc, write_ihc
from aliter.data.paired import convert_paired
from aliter.data.run import Figure, Run
from aliter.data.simulate.store import write_simulation
from aliter.data.splits import SPLITS, straddling
from aliter.workflows.gather import brought

if TYPE_CHECKING:
    from aliter.workflows.staining import Config

STATISTICS = ("mean", "sd", "median", "iqr", "min", "max", "p0.1", "p99.9")
"""What is known of each channel, over all pixels of the fields to learn from."""


def gather(config: "Config", run: Run) -> None:
    """Simulate the pairs, convert them, or take a store where it lies; measure channels, and prove the splits."""
    store, path = brought(config.images, run, lambda out: _write(config, out))
    fields = Fields(store, config.range)
    source, target = _channels(config, fields)
    run.describe(
        {
            "images": path,
            "channels": list(fields.channels),
            "range": list(fields.range),
            "source": fields.source,
            "from": list(source),
            "to": list(target),
        }
    )
    run.save("statistics", statistics_of(fields), ("channel", "statistic"))
    groups = fields.groups or fields.ids
    note = ", ".join(f"{len(fields.split(name))} to {use}" for name, use in zip(SPLITS, _USES, strict=True))
    shared = straddling(groups, fields.splits)
    run.record([Figure("fields in more than one split", float(len(shared)), len(set(groups)), note=note)])


_USES = ("learn", "calibrate", "test")


def _write(config: "Config", out: Path) -> None:
    if isinstance(config.images, Path):
        convert_paired(config.images, out, config.range)
    elif isinstance(config.images, Ihc):
        write_ihc(config.images, out)
    else:
        write_simulation(config.images, out)


def _channels(config: "Config", fields: Fields) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the channels to predict from, and of those to predict."""
    known = fields.channels
    source = config.source or known[:1]
    target = config.target or tuple(name for name in known if name not in source)
    for name in (*source, *target):
        if name not in known:
            raise RequestError(f"expected one of {', '.join(known)}; found '{name}'; change source or target")
    if not target or set(source) & set(target):
        raise RequestError(f"expected other channels to predict than {', '.join(source)}; name them as target")
    return source, target


def statistics_of(fields: Fields) -> Float64[np.ndarray, "C _"]:
    """Return the statistics of each channel over the fields to learn from, none else."""
    train = fields.split("train")
    rows = []
    for channel in range(len(fields.channels)):
        values = np.stack([fields.stored(int(number))[channel] for number in train]).astype(np.float64)
        low, quarter, median, more, high = np.percentile(values, (0.1, 25, 50, 75, 99.9))
        extremes = (values.min(), values.max())
        rows.append((values.mean(), values.std(), median, more - quarter, *extremes, low, high))
    return np.array(rows)
