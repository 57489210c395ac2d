"""What a detector is to those who ask it, and what it answers."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn


@dataclass(frozen=True)
class Detections:
    """What was found in one image, best first, each with the proposal that it comes from."""

    corners: Float[Tensor, "N 4"]
    """Left, top, right, bottom, in pixels of the image as it was given."""
    scores: Float[Tensor, " N"]
    labels: Int[Tensor, " N"]
    """Class of each, from 1."""
    source: Int[Tensor, " N"]
    """Which proposal each comes from."""
    proposals: Float[Tensor, "P 4"]
    """All proposals, in pixels of the image as it was given."""
    logits: Float[Tensor, "P K"]
    """Of each proposal and class; 0 is background."""

    @property
    def boxes(self) -> Float[Tensor, "N 4"]:
        """The proposals behind what was found: where the scores were read."""
        return self.proposals[self.source]


class Detector(nn.Module, ABC):
    """Finds objects in images in [-1, 1], and can be asked about any box; what it has seen is in ``backbone``."""

    backbone: Any

    @abstractmethod
    def prepare(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
        """Return images as the backbone sees them."""

    @abstractmethod
    def box_logits(self, x: Float[Tensor, "B C H W"], corners: Sequence[Float[Tensor, "_ 4"]]) -> Float[Tensor, "M K"]:
        """Return the logits of each class in each of these boxes of each image, in order; differentiable."""

    @abstractmethod
    def detect(self, x: Float[Tensor, "B C H W"]) -> list[Detections]:
        """Return what is found in each image; in eval mode."""

    @abstractmethod
    def body(self, at: int | str) -> nn.Module:
        """Return the network up to a stage, or a layer: its very modules."""

    @abstractmethod
    def layer_at(self, at: int | str) -> str:
        """Return the name of the layer at the end of a stage, or of that layer."""

    @abstractmethod
    def grid(self, at: int | str) -> tuple[int, int]:
        """Return the channels that it gives there, and the pixels a cell."""
