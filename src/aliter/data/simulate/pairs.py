"""Simulated pairs of images as a store, with what an oracle knows of them."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from aliter.core.progress import progress
from aliter.data import layout
from aliter.data.fields import write_objects
from aliter.data.images import write_images
from aliter.data.simulate.header import header_of
from aliter.data.simulate.phase import Phase

MEAN, VARIANCE, CELLS = "mean/0", "variance/0", "cells/0"
"""Arrays beside the images: what the oracle states of the stains, and the number of the cell at each pixel."""


def write_pairs(simulation: Phase, path: Path) -> None:
    """Write the fields of ``simulation``, their nuclei and cells, and the oracle; a field is a group of its own."""
    draw = lru_cache(maxsize=layout.ROWS)(simulation.draw)
    root = layout.open_store(path, "a")
    space = (simulation.size, simulation.size)
    stains = (simulation.count, len(simulation.stains), *space)
    known = {name: layout.create(root, name, stains, "float32", layout.IMAGE) for name in (MEAN, VARIANCE)}
    cells = layout.create(root, CELLS, (simulation.count, *space), "uint16", ("index", "y", "x"))
    with progress("simulate", simulation.count) as advance:

        def block(label: int, start: int, stop: int) -> np.ndarray:
            pairs = []
            for index in range(start, stop):
                pairs.append(draw(index))
                advance(1, "")
            known[MEAN][start:stop] = np.stack([one.mean for one in pairs])
            known[VARIANCE][start:stop] = np.stack([one.variance for one in pairs])
            cells[start:stop] = np.stack([one.cells for one in pairs])
            return np.stack([one.image for one in pairs])

        write_images(path, header_of(simulation), block)
        write_objects(path, "uint16", lambda index: draw(index).nuclei)
