"""A few fields that stand for all of them, and what is known of all without reading them."""

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import numpy as np

from aliter.core.spec import Spec
from aliter.data import layout, ledger
from aliter.data.fields import Fields
from aliter.data.images import Header, Images, is_store
from aliter.data.sample import Census, census_of_header
from aliter.data.simulate import Nuclei, Phase
from aliter.data.simulate.header import header_of
from aliter.data.splits import SPLITS

_Write = Callable[[Path, Collection[str]], object]


def census_of_fields(
    source: Path | Spec, declared: tuple[float, float] | None, surveyed: Callable[[], Header]
) -> Census:
    """Return what is known of the fields in a store or of a simulation; ``surveyed`` tells of all others.

    Raises
    ------
    DataError
        If they cannot be used, or a split holds none.
    """
    if isinstance(source, Nuclei | Phase):
        return census_of_header(header_of(source))
    store = isinstance(source, Path) and is_store(source)
    said = _header(source, declared) if isinstance(source, Path) and store else surveyed()
    stated = store or declared is not None or isinstance(source, Spec)
    found = replace(census_of_header(said), stated=stated, copied=not store)
    found.require(SPLITS)
    return found


def few_fields(source: Path | Spec, found: Census, each: int, out: Path, write: _Write) -> Path | Spec:
    """Return a source of ``each`` fields of each split, and as many more to learn from.

    A simulation draws fewer. Of all others a store is made at ``out``: by ``write(out, ids)`` where there is none yet.
    """
    if isinstance(source, Nuclei | Phase):
        return source.model_copy(update={"count": min(source.count, 4 * each)})
    rows = [np.flatnonzero(found.splits[0] == place)[: each * (2 if place == 0 else 1)] for place in range(len(SPLITS))]
    ids = [found.ids[0][row] for row in np.concatenate(rows)]
    if isinstance(source, Path) and not found.copied:
        _write_some(source, ids, out)
    else:
        write(out, ids)
    return out


def _header(store: Path, declared: tuple[float, float] | None) -> Header:
    images, fields = Images(store, declared), Fields(store, declared)
    dtype, ids = images.dtype.name, (tuple(fields.ids),)
    return Header(images.classes, images.channels, images.range, images.shape, dtype, ids, (images.splits,))


def _write_some(store: Path, ids: Collection[str], out: Path) -> None:
    """Write the fields of these ``ids``, with all that a ``store`` knows of each, to a store at ``out``."""
    images, root = Images(store, (0.0, 1.0)), layout.open_store(out, "a")
    rows = np.array([row for row, one in enumerate(images.ids) if one in ids])
    root.attrs.update(layout.attributes(images.root))
    for name in ledger.arrays(store):
        array = layout.array(images.root, name)
        values = np.asarray(array.oindex[rows] if array.shape[0] == len(images) else array[...])
        layout.create(root, name, values.shape, values.dtype, layout.axes_of(array))[...] = values
