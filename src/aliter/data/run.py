"""A run: one directory, one config, all that was made of it."""

import json
import logging
import os
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from filelock import FileLock, Timeout
from jaxtyping import UInt8
from PIL import Image

from aliter.core.errors import RunError
from aliter.core.spec import Spec
from aliter.data import kept as checkpoints
from aliter.data import layout, ledger
from aliter.data.environment import environment, require_device
from aliter.data.files import explaining, write_text, write_whole
from aliter.data.tracking import Sample, Tracker, trackers

_log = logging.getLogger("aliter")
_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Figure:
    """A number that a stage answers for, and how much stands behind it."""

    name: str
    value: float
    images: int
    """Images that it was measured on."""
    low: float | None = None
    """Lower end of its 95 % interval, where there is one."""
    high: float | None = None
    note: str = ""


class Run:
    """One directory with a config, a store, checkpoints, metrics, a log and a ledger of finished stages.

    While a stage works, what it saves goes to a folder beside and is read back from there first; when it
    is done, all of it takes its place at once. So a result stays readable until its successor is complete.

    ``run["latent/scores/..."]`` is an array of its store. Opening a run reads it; ``working`` locks it.
    """

    def __init__(
        self,
        path: Path,
        config: Spec | None = None,
        device: str = "cpu",
        stage: str | None = None,
        trust: bool = False,
    ):
        """Open the run at ``path``; with a ``config`` it is made if need be; see also what ``stage`` at work made."""
        self.path = Path(path)
        self.config = config
        self.device = device
        """Where networks run: "cpu", "cuda", "mps"; changes no config."""
        self.trust = trust
        """Whether a model file of the user's own, which is code, may be loaded."""
        self.strict = False
        """Whether a broken checkpoint is an error even if there is one before it."""
        self.workers = 1
        """Processes that share work that goes block by block; changes no number."""
        self.most: int | None = None
        """Steps after which every fit ends, whatever its plan says: a trial; None for none."""
        self.stopping = threading.Event()
        """Set from outside to ask for a stop at the next step that can be resumed."""
        self._stage = stage
        self._trackers: list[Tracker] = []
        require_device(device)
        if config is None and not (self.path / "config.yaml").is_file():
            raise RunError(f"{self.path}: expected a run, found none; 'aliter run CONFIG' makes one")

    def __reduce__(self) -> tuple[type["Run"], tuple[Path, None, str, str | None, bool]]:
        """In another process it reads what it reads here; it neither makes nor locks the run there."""
        return Run, (self.path, None, self.device, self._stage, self.trust)

    @contextmanager
    def working(self) -> Iterator["Run"]:
        """Hold the run's lock, write its config and environment, and finish a move that was cut short.

        Raises
        ------
        RunError
            If another process holds the lock; names it.
        """
        with explaining(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            holder = self.path / "holder"
            try:
                with FileLock(self.path / "lock", timeout=0):
                    holder.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
                    handler = self._open_log()
                    try:
                        self._describe()
                        ledger.recover(self.path)
                        with trackers(self.path, self.config) as self._trackers:
                            for stage in self.finished:
                                if not (self.path / "events" / stage).is_dir():
                                    self.retell(stage)
                            yield self
                    finally:
                        _log.removeHandler(handler)
                        handler.close()
                        holder.unlink(missing_ok=True)
            except Timeout:
                who = holder.read_text(encoding="utf-8") if holder.is_file() else "another process"
                raise RunError(f"{self.path} is in use by {who}; wait for it or name another run with --to") from None

    @contextmanager
    def stage(self, name: str, key: ledger.Key) -> Iterator[None]:
        """Collect what is saved as the result of the stage ``name``; it counts once the block has ended well."""
        ledger.begin(self.path, name, key)
        self._stage = name
        self.retell(name)
        try:
            yield
            ledger.finish(self.path, name)
        finally:
            self._stage = None

    @property
    def folder(self) -> Path:
        """Where files go now: beside while a stage works, else the run itself."""
        return ledger.beside(self.path, self._stage) if self._stage else self.path

    # Arrays

    def create(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: Any,
        axes: tuple[str, ...],
        facts: Mapping[str, Any] = _NOTHING,
        tile: tuple[int, ...] | None = None,
    ) -> zarr.Array[Any]:
        """Make the array ``name`` with these ``axes``, to be filled block by block; ``facts`` go to its attributes."""
        root = layout.open_store(self.folder / "store.zarr", "a")
        made = layout.create(root, name, shape, dtype, axes, tile)
        made.attrs.update({"stage": self._stage or "", "layout": layout.VERSION, **facts})
        return made

    def save(self, name: str, values: np.ndarray, axes: tuple[str, ...]) -> None:
        """Save ``values`` as the array ``name`` with these ``axes``."""
        self.create(name, values.shape, values.dtype, axes)[...] = values

    def describe(self, facts: Mapping[str, Any]) -> None:
        """Add ``facts``, plain JSON values, to the attributes of the store's root."""
        layout.open_store(self.folder / "store.zarr", "a").attrs.update(dict(facts))

    @property
    def facts(self) -> dict[str, Any]:
        """The attributes of the store's root."""
        found: dict[str, Any] = {}
        for store in self._stores():
            found = {**layout.attributes(layout.open_store(store)), **found}
        return found

    def array(self, name: str) -> zarr.Array[Any]:
        """Return the array ``name``, to be read block by block."""
        stores = self._stores()
        if not stores:
            raise RunError(f"{self.path} holds no arrays yet; run its stages first")
        found = [store for store in stores if (store / name / "zarr.json").is_file()]
        return layout.array(layout.open_store((found or stores)[0]), name)

    def __contains__(self, name: str) -> bool:
        """Return whether there is an array ``name``."""
        return any((store / name / "zarr.json").is_file() for store in self._stores())

    def load(self, name: str) -> np.ndarray:
        """Return the array ``name``, read whole."""
        return np.asarray(self.array(name)[...])

    __getitem__ = load

    def names(self) -> list[str]:
        """Return the names of all arrays, sorted."""
        return sorted({name for store in self._stores() for name in ledger.arrays(store)})

    def _stores(self) -> list[Path]:
        places = dict.fromkeys((self.folder, self.path))
        return [place / "store.zarr" for place in places if (place / "store.zarr" / "zarr.json").is_file()]

    # States

    def keep(self, name: str, state: checkpoints.Kept, last: int = 2) -> None:
        """Keep ``state`` under ``name`` as one atomic, checksummed file; older ones than the ``last`` go."""
        checkpoints.keep(self.folder / "checkpoints", name, state, last)

    def kept(self, name: str) -> checkpoints.Kept | None:
        """Return the newest sound state of ``name``, or None if there never was one.

        What the stage at work made in an earlier life is not looked at.
        """
        found = checkpoints.kept(self.folder / "checkpoints", name, self.strict)
        former = ledger.outputs(self.path, self._stage) if self._stage else ()
        if found or any(checkpoints.is_of(output.removeprefix("checkpoints/"), name) for output in former):
            return found
        return checkpoints.kept(self.path / "checkpoints", name, self.strict)

    # Records

    def log(self, row: Mapping[str, Any]) -> None:
        """Add a row to ``metrics.jsonl``, the record without a clock."""
        whole = {"stage": self._stage, **row}
        with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(whole, sort_keys=False) + "\n")
        for tracker in self._trackers:
            tracker.row(whole)

    def show(self, name: str, step: int, picture: UInt8[np.ndarray, "H W"] | UInt8[np.ndarray, "H W 3"]) -> None:
        """Keep a picture of what the fit ``name`` makes at ``step``, for who watches."""
        path = self.folder / "samples" / str(self._stage) / f"{name}-{step:08}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda part: Image.fromarray(picture).save(part, "PNG"))
        for tracker in self._trackers:
            tracker.sample(Sample(str(self._stage), name, step, path))

    def record(self, figures: Sequence[Figure]) -> None:
        """Write the figures that the stage at work answers for."""
        rows = [asdict(figure) for figure in figures]
        write_text(self.folder / "figures" / f"{self._stage}.json", json.dumps(rows, indent=1))

    def figures(self) -> dict[str, list[Figure]]:
        """Return the figures of the finished stages, by stage."""
        found = {path.stem: path for path in sorted(self.path.glob("figures/*.json"))}
        order = [stage for stage in self.finished if stage in found]
        return {stage: [Figure(**row) for row in json.loads(found[stage].read_text())] for stage in order}

    def figures_by_name(self, stage: str | None = None) -> dict[str, Figure]:
        """Return the figures of the finished stages, or of one, by their names."""
        return {one.name: one for name, rows in self.figures().items() if stage in (None, name) for one in rows}

    def metrics(self, stage: str | None = None) -> list[dict[str, Any]]:
        """Return the rows of ``metrics.jsonl``, of one stage or of all."""
        rows = [
            row for place in dict.fromkeys((self.path, self.folder)) for row in ledger.rows(place / "metrics.jsonl")
        ]
        return [row for row in rows if stage in (None, row["stage"])]

    @property
    def logged(self) -> int:
        """Bytes of metrics that the stage at work has written."""
        path = self.folder / "metrics.jsonl"
        return path.stat().st_size if path.is_file() else 0

    def rewind(self, logged: int, name: str) -> None:
        """Forget the rows of ``name`` that the stage at work wrote after the first ``logged`` bytes of metrics."""
        if self.logged <= logged:
            return
        path = self.folder / "metrics.jsonl"
        with path.open("rb") as file:
            head, rest = file.read(logged), file.read().splitlines(keepends=True)
        others = [line for line in rest if line.endswith(b"\n") and json.loads(line).get("name") != name]
        write_text(path, (head + b"".join(others)).decode())
        if self._stage:
            self.retell(self._stage)

    def retell(self, stage: str) -> None:
        """Tell those who watch all that was recorded of ``stage``, at work or just taken over."""
        for tracker in self._trackers:
            rows = [row for row in ledger.rows(self.folder / "metrics.jsonl") if row["stage"] == stage]
            tracker.begin(stage, rows, Sample.found(self.folder, stage))

    def time(self, row: Mapping[str, Any]) -> None:
        """Add a row to ``timings.jsonl``: what a clock said, apart from the record."""
        with (self.path / "timings.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"stage": self._stage, **row}) + "\n")

    @property
    def finished(self) -> dict[str, ledger.Key]:
        """The keys of the finished stages, by name."""
        return ledger.finished(self.path)

    def _describe(self) -> None:
        write_text(self.path / "environment.json", json.dumps(environment(), indent=1))
        if self.config is not None:
            self.config.write(self.path / "config.yaml")

    def _open_log(self) -> logging.Handler:
        handler = logging.FileHandler(self.path / "log.txt", encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        _log.addHandler(handler)
        _log.setLevel(logging.INFO)
        _log.info("aliter %s; %s", version("aliter"), json.dumps(environment()))
        return handler
