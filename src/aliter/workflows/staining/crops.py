"""What networks learn from: parts of fields, turned and mirrored."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, nn

from aliter.core.batch import Batch, Draw
from aliter.core.errors import RequestError
from aliter.core.objective import Objective
from aliter.core.rng import chance
from aliter.train.fit import Judge
from aliter.workflows.staining.pairs import Pairs

HELD = 1_000_003
"""Step of the draw that is only looked at: no fit is so long."""


def crops(pairs: Pairs, numbers: Sequence[int], size: int, period: int = 1) -> Draw:
    """Return draws of ``x`` and ``stain``: square parts of ``size`` pixels of the fields ``numbers``.

    Raises
    ------
    RequestError
        If fields are smaller, or ``size`` is no multiple of ``period``.
    """
    if size % period:
        nearest = max(1, round(size / period)) * period
        raise RequestError(
            f"crop_px: expected a multiple of {period} for this network, found {size}; make it {nearest}"
        )
    if (most := min(pairs.shape)) < size:
        raise RequestError(f"crop_px: expected at most {most}, the pixels of a field, found {size}; lower it")

    def draw(seed: int, step: int, count: int) -> Batch:
        rng = chance(seed, "step", step, "crops")
        chosen = [int(numbers[one]) for one in rng.integers(0, len(numbers), count)]
        x, stain = zip(*(_crop(pairs, number, size, rng) for number in chosen), strict=True)
        tensors = {"x": torch.from_numpy(np.stack(x)), "stain": torch.from_numpy(np.stack(stain))}
        return Batch(step, tuple(pairs.fields.ids[number] for number in chosen), seed, tensors)

    return draw


def _crop(
    pairs: Pairs, number: int, size: int, rng: np.random.Generator
) -> tuple[Float32[np.ndarray, "C H W"], Float32[np.ndarray, "S H W"]]:
    y, x = (int(rng.integers(0, side - size + 1)) for side in pairs.shape)
    turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
    box = (slice(y, y + size), slice(x, x + size))
    stored = pairs.fields.stored(number, box)
    both = pairs.standardised(stored[list(pairs.source)]), pairs.signed(stored[list(pairs.target)].astype(np.float32))
    turned = [np.rot90(one, turns, (1, 2)) for one in both]
    seen = [np.flip(one, 2) if mirror else one for one in turned]
    return np.ascontiguousarray(seen[0]), np.ascontiguousarray(seen[1])


def losses_of(objective: Objective, held: Draw, size: int) -> Judge:
    """Return a judge that says what ``objective`` says of the same few crops of fields not learned from."""
    batch = held(0, HELD, size)

    def figures(nets: Mapping[str, nn.Module], step: int) -> dict[str, float]:
        there = moved(batch, next(next(iter(nets.values())).parameters()).device)
        found: dict[str, float] = {}
        for turn in objective.turns:
            terms = objective.losses(turn, nets, there)
            found |= {f"held-out {turn.name}/{name}": float(value) for name, value in terms.items()}
        return found

    return figures


def shown(x: Tensor, drawn: Tensor, stain: Tensor) -> UInt8[np.ndarray, "H W"]:
    """Return a picture for who watches: of the first crops, without stain, drawn, real, one below the other."""
    seen = [x[:4, 0].float() / 6, drawn[:4, 0].float() / 2, stain[:4, 0].float() / 2]
    rows = [torch.cat(list(one), 1) + 0.5 for one in seen]
    levels = (torch.cat(rows).clamp(0, 1) * 255).round().to(torch.uint8)
    return np.asarray(levels.cpu().numpy())


def moved(batch: Batch, device: torch.device) -> Batch:
    """Return ``batch`` on a device."""
    tensors: dict[str, Tensor] = {name: value.to(device) for name, value in batch.tensors.items()}
    return Batch(batch.step, batch.ids, batch.seed, tensors)
