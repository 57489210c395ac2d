"""Heads and whole networks that learn from clicks."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import nn

from aliter.core.batch import Batch
from aliter.core.errors import AliterError
from aliter.core.rng import chance
from aliter.data.clicks import Clicks
from aliter.data.fields import Fields
from aliter.data.run import Run
from aliter.methods.objective.sparse import NOT_SAID, AffinityHead, SparseHead, SparseNet
from aliter.nets.blocks import initialise
from aliter.nets.heads import Head
from aliter.nets.scan import embedded, tile_for, tiles
from aliter.ops.labels import affinities
from aliter.train.fit import Game, fit, recall
from aliter.workflows.embeddings.contrast import Contrasting, encoder_of
from aliter.workflows.embeddings.learners import AffinityLearner, HeadLearner, NetLearner
from aliter.workflows.embeddings.rows import Rows, described
from aliter.workflows.embeddings.views import shown, warp

_TILE = 256
_MOST = 64
"""Fresh draws of a crop before it is a defect that its click lies outside."""


def fit_head(learner: HeadLearner, known: Rows, run: Run, name: str) -> None:
    """Fit a head on rows; a step sees all of them, or as many as the plan says, drawn evenly."""
    head = _head(known.x.shape[1], learner.hidden, 2)
    initialise({"head": head}, learner.fit.seed)

    def draw(seed: int, step: int, size: int) -> Batch:
        count = len(known.y)
        rows = np.arange(count) if count <= size else chance(seed, "step", step).choice(count, size, replace=False)
        tensors = {"x": torch.from_numpy(known.x[rows]), "y": torch.from_numpy(known.y[rows])}
        return Batch(step, tuple(f"point {row}" for row in rows), seed, tensors)

    fit(Game(SparseHead(), {"head": head}, draw), learner.fit, run, name)


def fit_affinities(learner: AffinityLearner, fields: Fields, tile_px: int, run: Run, name: str) -> None:
    """Fit a head on the affinities of voxels drawn evenly from a part of a training field, another one each step."""
    ndim, train = len(fields.shape), fields.split("train")
    parts = list(tiles(fields.shape, (tile_px,) * ndim))
    head = _head(_width(learner, run), learner.hidden, ndim)
    initialise({"head": head}, learner.fit.seed)

    @lru_cache(maxsize=4)
    def known(number: int, part: int) -> tuple[np.ndarray, np.ndarray]:
        box = parts[part]
        # The first voxels of a part have neighbours before it, whose labels must be read too.
        before = [min(one.start, 1) for one in box]
        wider = tuple(slice(one.start - less, one.stop) for one, less in zip(box, before, strict=True))
        inner = tuple(slice(less, None) for less in before)
        joined = affinities(fields.objects(number, wider))[(slice(None), *inner)]
        x = described(run, learner.features, number, box)
        return x.reshape(len(x), -1).T, joined.reshape(ndim, -1).T

    def draw(seed: int, step: int, size: int) -> Batch:
        rng = chance(seed, "step", step)
        number = int(rng.choice(train))
        x, y = known(number, int(rng.integers(len(parts))))
        rows = rng.integers(0, len(x), size)
        tensors = {"x": torch.from_numpy(x[rows]), "affinity": torch.from_numpy(y[rows])}
        return Batch(step, (fields.ids[number],), seed, tensors)

    fit(Game(AffinityHead(), {"head": head}, draw), learner.fit, run, name)


def recalled_head(
    learner: HeadLearner | AffinityLearner, answers: int, run: Run, name: str
) -> Callable[[Float32[np.ndarray, "D *space"]], Float[torch.Tensor, "K *space"]]:
    """Return a head that was fitted, as it applies to the features of a field."""
    head = _head(_width(learner, run), learner.hidden, answers)
    recall({"head": head}, run, name)

    def answered(maps: Float32[np.ndarray, "D *space"]) -> Float[torch.Tensor, "K *space"]:
        with torch.no_grad():
            return head.dense(torch.from_numpy(maps)[None])[0]

    return answered


def fit_net(learner: NetLearner, form: Contrasting, fields: Fields, clicks: Clicks | None, run: Run, name: str) -> None:
    """Fit encoder and head on crops around clicks; without ``clicks``, on everything in the training fields."""
    nets = _nets(learner, form, fields, run)
    fit(Game(SparseNet(), nets, _Crops(learner, form, fields, clicks)), learner.fit, run, name)


def recalled_net(
    learner: NetLearner, form: Contrasting, fields: Fields, run: Run, name: str
) -> Callable[[int], Float32[np.ndarray, "*space"]]:
    """Return what a fitted network says of a field."""
    nets = _nets(learner, form, fields, None)
    recall(nets, run, name)
    encoder, head = nets["encoder"], nets["head"]
    assert isinstance(head, Head)

    def answered(x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(head.dense(encoder(x)), 1)[:, 1:]

    def predict(number: int) -> Float32[np.ndarray, "*space"]:
        out = np.empty(fields.shape, np.float32)
        for box in tiles(fields.shape, tile_for(form.net, fields.shape, _TILE)):
            out[box] = embedded(form.net, answered, lambda part: fields.read(number, part), fields.shape, box)[0]
        return out

    return predict


def _head(width: int, hidden: tuple[int, ...], answers: int) -> Head:
    return Head((width, *hidden, answers))


def _width(learner: HeadLearner | AffinityLearner, run: Run) -> int:
    """Return the channels of its features."""
    return sum(run.array(f"features/{one}").shape[1] for one in learner.features)


def _nets(learner: NetLearner, form: Contrasting, fields: Fields, run: Run | None) -> dict[str, nn.Module]:
    """Return encoder and head as they begin; the encoder has learned already where ``run`` says how."""
    encoder = form.net.build(len(fields.channels), len(fields.shape))
    nets: dict[str, nn.Module] = {"encoder": encoder, "head": _head(form.net.features, learner.hidden, 2)}
    initialise(nets, learner.fit.seed)
    if run is not None and learner.start == "embedding":
        nets["encoder"].load_state_dict(encoder_of(form, fields, run).state_dict())
    return nets


@dataclass(frozen=True)
class _Shot:
    """A turned, bent and changed crop, and what is said of places in it."""

    x: torch.Tensor
    at: np.ndarray
    label: np.ndarray
    field: int


@dataclass(frozen=True)
class _Crops:
    """Draws of crops, with the clicks that lie in them; without ``clicks``, with what is at places drawn evenly."""

    learner: NetLearner
    form: Contrasting
    fields: Fields
    clicks: Clicks | None

    @cached_property
    def out(self) -> tuple[int, ...]:
        """The shape of what the network gives of a crop."""
        return self.form.net.check(self.form.views.size)

    @cached_property
    def margin(self) -> np.ndarray:
        """How far what the network gives lies inside the crop, along each axis."""
        return np.array([(size - left) / 2 for size, left in zip(self.form.views.size, self.out, strict=True)])

    def __call__(self, seed: int, step: int, size: int) -> Batch:
        streams = [chance(seed, "step", step, "crop", number) for number in range(size)]
        shots = [self.anywhere(rng) if self.clicks is None else self.around(self.clicks, rng) for rng in streams]
        most = max(len(one.label) for one in shots)
        at = np.zeros((size, most, len(self.out)), np.float32)
        label = np.full((size, most), NOT_SAID)
        for row, one in enumerate(shots):
            at[row, : len(one.label)], label[row, : len(one.label)] = one.at, one.label
        x = torch.stack([one.x for one in shots])
        tensors = {"x": x, "at": torch.from_numpy(at), "label": torch.from_numpy(label)}
        return Batch(step, tuple(self.fields.ids[one.field] for one in shots), seed, tensors)

    def around(self, clicks: Clicks, rng: np.random.Generator) -> _Shot:
        """Return a crop around one of the clicks, with all that lie in it."""
        chosen = int(rng.integers(len(clicks.label)))
        number = int(clicks.field[chosen])
        there = np.flatnonzero(clicks.field == number)
        for _ in range(_MOST):
            shift = rng.uniform(-0.3, 0.3, len(self.out)) * _plane(self.out)
            one = warp(self.form.views, clicks.at[chosen] + shift, rng)
            at = one.inverse(torch.from_numpy(clicks.at[there]).float()).numpy() - self.margin
            inside = ((at >= 0) & (at <= np.array(self.out) - 1)).all(1)
            if inside.any():
                x = shown(self.fields, number, one, self.form.views, rng)
                return _Shot(x, at[inside], clicks.label[there][inside], number)
        raise AliterError(
            f"{self.fields.ids[number]}: expected a click in a crop around it, found none; lower the shift"
        )

    def anywhere(self, rng: np.random.Generator) -> _Shot:
        """Return a crop anywhere in the training fields, with what is at as many places as the learner asks for."""
        number = int(rng.choice(self.fields.split("train")))
        shape = np.array(self.fields.shape)
        one = warp(self.form.views, rng.uniform(0, 1, len(self.out)) * (shape - 1), rng)
        at = rng.uniform(0, 1, (4 * self.learner.points, len(self.out))) * (np.array(self.out) - 1)
        near = np.rint(one.source(torch.from_numpy(at + self.margin).float()).numpy()).astype(int)
        inside = ((near >= 0) & (near < shape)).all(1).nonzero()[0][: self.learner.points]
        label = (self.fields.objects_at(number, near[inside]) > 0).astype(np.int64)
        return _Shot(shown(self.fields, number, one, self.form.views, rng), at[inside], label, number)


def _plane(out: tuple[int, ...]) -> np.ndarray:
    """Return how far a crop may be shifted along each axis so that its middle stays in what the network gives."""
    return np.array([*[0.0] * (len(out) - 2), *out[-2:]])
