"""A mask sweep against 200 thresholds with OpenCV closings and blurs, 20 images of 128 x 128 x 3.

Both are asked for curves of the same classifier; curves are compared before they are timed.
"""

import cv2
import numpy as np
import torch
from interleaved import header, ratio
from torch import Tensor

from aliter.methods.walk.mask_sweep import MaskSweep
from aliter.nets.frozen import Frozen
from aliter.nets.small_cnn import SmallCNN
from aliter.ops.masks import blur

torch.set_num_threads(1)
cv2.setNumThreads(1)


def published(
    probe: Frozen, x: Tensor, other: Tensor, attribution: Tensor, target: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return sizes and changes of 200 masks, each thresholded, closed, blurred and scored on its own."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (11, 11))
    start = float(probe.scores(x[None])[0, target])
    sizes, changes = [], []
    for threshold in np.arange(-100, 100) / 100:
        mask = (attribution.numpy() > threshold).astype(np.uint8)
        closed = np.stack([cv2.morphologyEx(channel, cv2.MORPH_CLOSE, kernel) for channel in mask])
        soft = np.stack([cv2.GaussianBlur(channel.astype(np.float32), (11, 11), 0) for channel in closed])
        hybrid = torch.lerp(x, other, torch.from_numpy(soft))
        sizes.append(closed.mean())
        changes.append(float(probe.scores(hybrid[None])[0, target]) - start)
    return np.array(sizes), np.array(changes)


def main() -> None:
    """Compare, then time."""
    torch.manual_seed(0)
    probe = Frozen(SmallCNN().build(3, 128, 2).to(memory_format=torch.channels_last))  # As the demo has it.
    sweep = MaskSweep()
    images = [(torch.rand(3, 128, 128) * 2 - 1, torch.rand(3, 128, 128) * 2 - 1) for _ in range(20)]
    maps = [blur(torch.rand(1, 3, 128, 128), 4.0)[0] for _ in images]
    maps = [(one - one.amin()) / (one.amax() - one.amin()) for one in maps]

    def ours() -> list[tuple[np.ndarray, np.ndarray]]:
        walks = [sweep(probe.scores, *pair, one, 1) for pair, one in zip(images, maps, strict=True)]
        return [(walk.t, walk.change(1)) for walk in walks]

    def other() -> list[tuple[np.ndarray, np.ndarray]]:
        return [published(probe, *pair, one, 1) for pair, one in zip(images, maps, strict=True)]

    for (size, change), (all_sizes, all_changes) in zip(ours(), other(), strict=True):
        assert np.isin(np.round(all_sizes, 9), np.round(size, 9)).all()
        assert np.abs(np.interp(all_sizes, size, change) - all_changes).max() < 1e-5
    header()
    ratio("mask sweep against 200 thresholds with OpenCV", ours, other)


if __name__ == "__main__":
    main()
