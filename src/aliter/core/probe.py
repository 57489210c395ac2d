"""A model as methods see it."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

Answer = Callable[[Float[Tensor, "B C *space"]], Float[Tensor, " B"]]
"""One class's logit for each image of a batch, differentiable."""
Scores = Callable[[Float[Tensor, "B C *space"]], Float[Tensor, "B K"]]
"""Probabilities for each image of a batch."""


@runtime_checkable
class Probe(Protocol):
    """A classifier that can be asked, differentiated and looked into; images are in [-1, 1]."""

    def answer(self, target: int) -> Answer:
        """Return the function that gives the logit of class ``target``: what attributions differentiate."""
        ...

    def scores(self, x: Float[Tensor, "B C *space"]) -> Float[Tensor, "B K"]:
        """Return the probabilities of all classes: what walks record."""
        ...

    def activations(self, x: Float[Tensor, "B C *space"], layer: str) -> Float[Tensor, "B D *grid"]:
        """Return what the module named ``layer`` gives for ``x``."""
        ...

    @property
    def hookable(self) -> str | None:
        """Why methods that hook layers would be wrong on this model; None if they are right."""
        ...


@runtime_checkable
class Layered(Probe, Protocol):
    """A probe that also shows the network inside: what methods that hook layers need."""

    @property
    def module(self) -> nn.Module:
        """The network, in eval mode, that runs whenever an ``answer`` of this probe is asked; its layers bear hooks."""
        ...
