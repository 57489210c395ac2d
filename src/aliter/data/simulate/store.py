"""Simulated images as a store, with what was planted."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import permutations, product
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from aliter.core.progress import progress
from aliter.data import layout
from aliter.data.annotations import write_listed
from aliter.data.convert import write_folder
from aliter.data.fields import Fields, write_objects
from aliter.data.images import Images, write_images
from aliter.data.masks import write_masked
from aliter.data.paired import write_paired
from aliter.data.simulate import Fictus, FictusVolume, Nuclei, Phase, Tissue
from aliter.data.simulate.header import header_of
from aliter.data.simulate.pairs import write_pairs
from aliter.data.slides import stored_slides, write_slides
from aliter.data.splits import SPLITS
from aliter.data.worker import enter

Cells = Fictus | FictusVolume


def write_simulation(simulation: Cells | Nuclei | Phase | Tissue, path: Path, workers: int = 1) -> None:
    """Write what ``simulation`` draws, with its truth, as a store at ``path``.

    Cells are drawn by so many ``workers``, processes on one thread each; the bytes do not depend on their number.
    """
    if isinstance(simulation, Tissue):
        write_slides(simulation, path)
    elif isinstance(simulation, Nuclei):
        _write_fields(simulation, path)
    elif isinstance(simulation, Phase):
        write_pairs(simulation, path)
    else:
        _write_cells(simulation, path, workers)


def written_as_folder(store: Path, out: Path) -> None:
    """Write a simulation's ``store`` as files: a folder per class or channel, images and masks, slides and boxes."""
    root = layout.open_store(store)
    if "boxes" in root:
        write_listed(stored_slides(store), out)
    elif "objects" in root:
        fields = Fields(store)
        (write_paired if len(fields.channels) > 1 else write_masked)(fields, out)
    else:
        write_folder(Images(store), out)


def _write_cells(simulation: Cells, path: Path, workers: int) -> None:
    """Write the images of ``simulation`` and, for those of the test split, every oracle pair and its truth.

    ``{plain|nuisance}/generated/{source}_{target}`` and ``truth/{source}_{target}`` have a row for each test image
    of the source class, in order; so has ``nuisance/shortcut/{source}_{target}``, if one was planted.
    """
    header = header_of(simulation)
    labels = range(len(header.classes))
    jobs = [_Job("images", label, label, rows) for label in labels for rows in _blocks(np.arange(simulation.count))]
    held_out = [np.flatnonzero(one == SPLITS.index("test")) for one in header.splits]
    planted = [
        _Job(name, source, target, rows)
        for source, target in permutations(labels, 2)
        for rows in _blocks(held_out[source])
        for name in _draws(simulation)
    ]
    with progress("simulate", len(jobs) + len(planted)) as advance:
        drawn = _in_order(simulation, [*jobs, *planted], workers)

        def block(label: int, start: int, stop: int) -> np.ndarray:
            advance(1, header.classes[label])
            return next(drawn)

        write_images(path, header, block)
        root = layout.open_store(path, "a")
        for (source, target), name in product(permutations(labels, 2), _draws(simulation)):
            if held_out[source].size:
                size = (len(held_out[source]), *header.shape)
                layout.create(root, f"{name}/{source}_{target}", size, _draws(simulation)[name][0], layout.IMAGE)
        for job in planted:
            first = int(np.searchsorted(held_out[job.source], job.cells[0]))
            layout.array(root, job.array)[first : first + len(job.cells)] = next(drawn)
            advance(1, job.array)


@dataclass(frozen=True)
class _Job:
    """Some cells of a class, to be drawn together."""

    name: str
    source: int
    target: int
    cells: tuple[int, ...]

    @property
    def array(self) -> str:
        """The array that they belong to."""
        return f"{self.name}/{self.source}_{self.target}"


def _blocks(numbers: np.ndarray) -> list[tuple[int, ...]]:
    """Return ``numbers`` in parts of a shard's length."""
    return [tuple(numbers[start : start + layout.ROWS].tolist()) for start in range(0, len(numbers), layout.ROWS)]


def _in_order(simulation: Cells, jobs: Sequence[_Job], workers: int) -> Iterator[np.ndarray]:
    """Yield what each of ``jobs`` draws, one after the other; only a few are ahead of what was asked for."""
    if min(workers, len(jobs)) < 2:
        yield from (_draw(simulation, job) for job in jobs)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), enter) as pool:
        waiting = deque(pool.submit(_draw, simulation, job) for job in jobs[: 2 * workers])
        for job in (*jobs[2 * workers :], *[None] * len(waiting)):
            yield waiting.popleft().result()
            if job is not None:
                waiting.append(pool.submit(_draw, simulation, job))


def _draw(simulation: Cells, job: _Job) -> np.ndarray:
    if job.name == "images":
        return np.stack([simulation.draw(job.source, cell) for cell in job.cells])
    draw = _draws(simulation)[job.name][1]
    return np.stack([draw(job.source, cell, job.target) for cell in job.cells])


def _draws(simulation: Cells) -> dict[str, tuple[type[np.generic], Callable[[int, int, int], np.ndarray]]]:
    """Return what is planted, by name: its type, and how it is drawn from label, cell and target."""
    draws: dict[str, tuple[type[np.generic], Callable[[int, int, int], np.ndarray]]] = {
        "truth": (np.bool_, simulation.truth),
        "plain/generated": (np.uint16, partial(simulation.oracle, kind="plain")),
        "nuisance/generated": (np.uint16, partial(simulation.oracle, kind="nuisance")),
    }
    if isinstance(simulation, Fictus) and simulation.shortcut:
        draws["nuisance/shortcut"] = (np.bool_, simulation.detour)
    return draws


def _write_fields(simulation: Nuclei, path: Path) -> None:
    """Write the fields of ``simulation`` and the nuclei in each; a field is a group of its own."""
    draw = lru_cache(maxsize=layout.ROWS)(simulation.draw)
    with progress("simulate", simulation.count) as advance:

        def block(label: int, start: int, stop: int) -> np.ndarray:
            advance(stop - start, "")
            return np.stack([draw(index).image for index in range(start, stop)])

        write_images(path, header_of(simulation), block)
        write_objects(path, "uint16", lambda index: draw(index).objects)
