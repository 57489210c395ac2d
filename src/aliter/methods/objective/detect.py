"""Learn to find objects in boxes."""

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field, NonNegativeFloat
from torch import Tensor, nn

from aliter.core.batch import Batch
from aliter.core.objective import Turn
from aliter.core.spec import Spec
from aliter.ops import augment


class Detect(Spec):
    """The losses of a two-stage detector, on images that were mirrored, turned by right angles and stained otherwise.

    A batch holds ``x`` (B, C, H, W) in [-1, 1], ``corners`` (B, M, 4) in pixels and ``count`` (B,), how many of them
    are boxes. The network gives its losses for images and boxes.

    References
    ----------
    Ren et al. 2015, Faster R-CNN: towards real-time object detection with region proposal networks, arXiv:1506.01497,
    equation 1.
    """

    kind: Literal["detect"] = "detect"
    flip: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Probability of mirroring along each axis, and of swapping the two."""
    brightness: NonNegativeFloat = 0.05
    """Standard deviation of a change of each channel, on the scale from -1 to 1."""
    contrast: NonNegativeFloat = 0.05
    """Standard deviation of a change of contrast, as a share."""
    noise_sd: NonNegativeFloat = 0.01

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The detector moves."""
        return (Turn("detect", ("detector",)),)

    def losses(self, turn: Turn, nets: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        """Return the losses of proposals and of boxes, for class and for place."""
        x, boxes = self.augment(batch)
        found: dict[str, Tensor] = nets["detector"](x, boxes)
        return found

    def augment(self, batch: Batch) -> tuple[Tensor, list[Tensor]]:
        """Return images and boxes of ``batch``, changed at random as the fields say."""
        rng = batch.chance("augment")
        images, boxes = [], []
        drawn = rng.random((len(batch["x"]), 3)) < self.flip
        for x, corners, count, (across, down, swap) in zip(
            batch["x"], batch["corners"], batch["count"].tolist(), drawn.tolist(), strict=True
        ):
            height, width = x.shape[-2:]
            left, top, right, low = corners[: int(count)].unbind(-1)
            if across:
                x, left, right = x.flip(2), width - right, width - left
            if down:
                x, top, low = x.flip(1), height - low, height - top
            if swap and height == width:
                x, left, top, right, low = x.transpose(1, 2), top, left, low, right
            images.append(x)
            boxes.append(torch.stack([left, top, right, low], -1))
        x = torch.stack(images)
        shift = torch.from_numpy(rng.normal(0, self.brightness, (len(x), x.shape[1], 1, 1))).to(x)
        gain = torch.from_numpy(rng.normal(1, self.contrast, (len(x), 1, 1, 1))).to(x)
        return augment.gaussian_noise((x + 1) * gain - 1 + shift, rng, self.noise_sd), boxes
