"""Processor time of drawing views and losses of the embeddings room.

The loss is compared with two plain loops before it is timed.
"""

import time

import numpy as np
import torch
from interleaved import header, ratio
from torch import Tensor
from torch.nn.functional import normalize

from aliter.core.rng import chance
from aliter.ops.contrast import info_nce
from aliter.ops.warp import Warp
from aliter.workflows.embeddings.views import Views, warp

torch.set_num_threads(1)


def loops(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """Return the loss row by row."""
    rows = torch.cat([a, b])
    count, total = len(a), rows.new_zeros(())
    for i in range(2 * count):
        scores = rows @ rows[i] / temperature
        kept = torch.cat([scores[:i], scores[i + 1 :]])
        total = total + torch.logsumexp(kept, 0) - scores[(i + count) % (2 * count)]
    return total / (2 * count)


def view() -> None:
    """Print the time of one view of 256 x 256 with 282 points that follow it."""
    image = torch.rand(1, 400, 400)
    places = torch.from_numpy(np.random.default_rng(0).uniform(150, 250, (282, 2))).float()
    views = Views(size=(256, 256))
    seconds = []
    for number in range(20):
        start = time.process_time()
        one: Warp = warp(views, np.array([200.0, 200.0]), chance(0, number))
        one.apply(image, (0, 0))
        one.inverse(places)
        seconds.append(time.process_time() - start)
    print(f"a bent view of 256 x 256 with 282 points: {1000 * float(np.median(seconds)):.1f} ms")


def main() -> None:
    """Compare, then time."""
    torch.manual_seed(0)
    a, b = (normalize(torch.randn(512, 12), dim=1) for _ in range(2))
    assert abs(float(info_nce(a.double(), b.double(), 0.05) - loops(a.double(), b.double(), 0.05))) < 1e-8

    def step(loss: object) -> None:
        leaf = a.clone().requires_grad_()
        loss(leaf, b, 0.05).backward()  # type: ignore[operator]

    header()
    ratio(
        "info_nce of 512 points, forward and backward, against a loop over rows",
        lambda: step(info_nce),
        lambda: step(loops),
    )
    view()


if __name__ == "__main__":
    main()
