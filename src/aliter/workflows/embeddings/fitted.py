"""Heads and whole networks that learn from clicks."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import nn

from aliter.core.batch import Batch, Draw
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
    draw = _crops(learner, form, fields, clicks)
    fit(Game(SparseNet(), nets, draw), learner.fit, run, name)


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


def _crops(learner: NetLearner, form: Contrasting, fields: Fields, clicks: Clicks | None) -> Draw:
    """Return draws of turned, bent and changed crops, with the clicks that lie in them."""
    views, out = form.views, form.net.check(form.views.size)
    margin = np.array([(size - left) / 2 for size, left in zip(views.size, out, strict=True)])
    train = fields.split("train")

    def draw(seed: int, step: int, size: int) -> Batch:
        shots = [_crop(number, chance(seed, "step", step, "crop", number)) for number in range(size)]
        most = max(len(label) for _, _, label, _ in shots)
        at = np.zeros((size, most, len(out)), np.float32)
        label = np.full((size, most), NOT_SAID)
        for row, (_, where, said, _) in enumerate(shots):
            at[row, : len(said)], label[row, : len(said)] = where, said
        tensors = {
            "x": torch.stack([x for x, _, _, _ in shots]),
            "at": torch.from_numpy(at),
            "label": torch.from_numpy(label),
        }
        return Batch(step, tuple(fields.ids[number] for *_, number in shots), seed, tensors)

    def _crop(row: int, rng: np.random.Generator) -> tuple[torch.Tensor, np.ndarray, np.ndarray, int]:
        if clicks is None:
            return _all(row, rng)
        chosen = int(rng.integers(len(clicks.label)))
        number = int(clicks.field[chosen])
        there = np.flatnonzero(clicks.field == number)
        for _ in range(_MOST):
            one = warp(views, clicks.at[chosen] + rng.uniform(-0.3, 0.3, len(out)) * _plane(out), rng)
            at = one.inverse(torch.from_numpy(clicks.at[there]).float()).numpy() - margin
            inside = ((at >= 0) & (at <= np.array(out) - 1)).all(1)
            if inside.any():
                return shown(fields, number, one, views, rng), at[inside], clicks.label[there][inside], number
        raise AliterError(f"{fields.ids[number]}: expected a click in a crop around it, found none; lower the shift")

    def _all(row: int, rng: np.random.Generator) -> tuple[torch.Tensor, np.ndarray, np.ndarray, int]:
        number = int(rng.choice(train))
        one = warp(views, rng.uniform(0, 1, len(out)) * (np.array(fields.shape) - 1), rng)
        at = rng.uniform(0, 1, (4 * learner.points, len(out))) * (np.array(out) - 1)
        places = one.source(torch.from_numpy(at + margin).float()).numpy()
        near = np.rint(places).astype(int)
        inside = ((near >= 0) & (near < np.array(fields.shape))).all(1).nonzero()[0][: learner.points]
        label = (fields.objects_at(number, near[inside]) > 0).astype(np.int64)
        return shown(fields, number, one, views, rng), at[inside], label, number

    return draw


def _plane(out: tuple[int, ...]) -> np.ndarray:
    """Return how far a crop may be shifted along each axis so that its middle stays in what the network gives."""
    return np.array([*[0.0] * (len(out) - 2), *out[-2:]])
