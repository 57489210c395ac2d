"""Who watches a run: TensorBoard always, Weights & Biases if asked. What they show is a copy of the record."""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, Protocol
from uuid import uuid4

from aliter.core.errors import RequestError
from aliter.core.spec import Spec

Row = Mapping[str, Any]
"""One row of ``metrics.jsonl``: stage, name, step, and figures."""
_NO_FIGURES = ("stage", "name", "step")


@dataclass(frozen=True)
class Sample:
    """A picture of what a fit made at some step."""

    stage: str
    name: str
    step: int
    path: Path
    """A PNG."""

    @classmethod
    def found(cls, folder: Path, stage: str) -> list["Sample"]:
        """Return those of a stage that are kept in ``folder``, by name and step."""
        paths = sorted((folder / "samples" / stage).glob("*-*.png"))
        return [cls(stage, path.stem.rpartition("-")[0], int(path.stem.rpartition("-")[2]), path) for path in paths]


class Tracker(Protocol):
    """Someone who watches."""

    def begin(self, stage: str, rows: Iterable[Row], samples: Iterable[Sample]) -> None:
        """Forget what was said of ``stage``; these are all rows and samples so far."""

    def row(self, row: Row) -> None:
        """Take one more row."""

    def sample(self, sample: Sample) -> None:
        """Take one more sample."""

    def close(self) -> None:
        """Be told no more."""


class Wandb(Spec):
    """Weights & Biases: a copy of metrics and samples in a project there."""

    kind: Literal["wandb"] = "wandb"
    project: str = "aliter"
    entity: str | None = None
    """User or team; the default one of the account if null."""
    mode: Literal["online", "offline"] = "online"
    """offline: kept in the run, for 'wandb sync' later."""


@contextmanager
def trackers(path: Path, config: Spec | None) -> Iterator[list[Tracker]]:
    """Give those who watch the run at ``path``: a board, and what its config asks for as ``log``."""
    chosen = getattr(config, "log", None)
    found: list[Tracker] = [Board(path / "events")]
    if config is not None and isinstance(chosen, Wandb):
        found.append(Project(path, chosen, config.model_dump(mode="json")))
    with ExitStack() as stack:
        for one in found:
            stack.callback(one.close)
        yield found


class Board:
    """TensorBoard's files: figures and pictures of each stage. Equal metrics give equal bytes: a step is a second."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._writers: dict[str, Any] = {}

    def begin(self, stage: str, rows: Iterable[Row], samples: Iterable[Sample]) -> None:
        """Write the files of ``stage`` anew."""
        self.close()
        shutil.rmtree(self.folder / stage, ignore_errors=True)
        for row in rows:
            self.row(row)
        for sample in samples:
            self.sample(sample)

    def row(self, row: Row) -> None:
        """Add the figures of ``row``."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        figures = {key: value for key, value in row.items() if key not in _NO_FIGURES}
        values = [Summary.Value(tag=f"{row['name']}/{key}", simple_value=value) for key, value in figures.items()]
        self._write(f"{row['stage']}/figures", row["step"], Summary(value=values))

    def sample(self, sample: Sample) -> None:
        """Add the picture of ``sample``."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        picture = Summary.Image(encoded_image_string=sample.path.read_bytes())
        self._write(
            f"{sample.stage}/pictures", sample.step, Summary(value=[Summary.Value(tag=sample.name, image=picture)])
        )

    def close(self) -> None:
        """Close all files."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _write(self, place: str, step: int, summary: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        if place not in self._writers:
            path = self.folder / place / "events.out.tfevents.0.aliter"
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writers[place] = RecordWriter(path.open("wb"))
            self._writers[place].write(Event(wall_time=0, file_version="brain.Event:2").SerializeToString())
        self._writers[place].write(Event(wall_time=step, step=step, summary=summary).SerializeToString())
        self._writers[place].flush()


class Project:
    """A run at Weights & Biases. What was sent is noted in the run, so that nothing is sent twice."""

    def __init__(self, path: Path, choice: Wandb, config: Mapping[str, Any]):
        self.folder = path / "wandb"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._note = self.folder / "sent"
        self._sent = set(self._note.read_text(encoding="ascii").split()) if self._note.is_file() else set()
        self._run = _opened(path, choice, config)

    def begin(self, stage: str, rows: Iterable[Row], samples: Iterable[Sample]) -> None:
        """Send what was not sent before."""
        self._run.define_metric(f"{stage}/step")
        self._run.define_metric(f"{stage}/*", step_metric=f"{stage}/step")
        for row in rows:
            self.row(row)
        for sample in samples:
            self.sample(sample)

    def row(self, row: Row) -> None:
        """Send the figures of ``row``."""
        figures = {f"{row['stage']}/{row['name']}/{key}": value for key, value in row.items() if key not in _NO_FIGURES}
        self._send(json.dumps(row).encode(), {f"{row['stage']}/step": row["step"], **figures})

    def sample(self, sample: Sample) -> None:
        """Send the picture of ``sample``."""
        import wandb

        name, mark = f"{sample.stage}/{sample.name}", f"{sample.stage} {sample.name} {sample.step} ".encode()
        values = {f"{sample.stage}/step": sample.step, f"{name}/sample": wandb.Image(str(sample.path))}
        self._send(mark + sample.path.read_bytes(), values)

    def close(self) -> None:
        """Finish."""
        self._run.finish()

    def _send(self, content: bytes, values: Mapping[str, Any]) -> None:
        mark = blake2b(content, digest_size=12).hexdigest()
        if mark in self._sent:
            return
        self._run.log(dict(values))
        self._sent.add(mark)
        with self._note.open("a", encoding="ascii") as file:
            file.write(f"{mark}\n")


def _opened(path: Path, choice: Wandb, config: Mapping[str, Any]) -> Any:
    """Return the run at Weights & Biases, the same one each time."""
    try:
        import wandb
    except ModuleNotFoundError as error:
        raise RequestError(
            "expected the package wandb for 'log: {kind: wandb}', found none; install it: pip install 'aliter[wandb]'"
        ) from error
    place = path / "wandb" / "id"
    if not place.is_file():
        place.write_text(uuid4().hex[:8], encoding="ascii")
    return wandb.init(
        project=choice.project,
        entity=choice.entity,
        mode=choice.mode,
        dir=path,
        id=place.read_text(encoding="ascii"),
        name=path.name,
        resume="allow" if choice.mode == "online" else None,
        config=dict(config),
        settings=wandb.Settings(silent=True, console="off"),
    )
