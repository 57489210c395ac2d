"""Attribution: which values of an image an answer hangs on."""

from typing import Annotated, Literal

from pydantic import Field

from aliter.methods.attribution.deep_lift import DeepLift
from aliter.methods.attribution.discriminative_grad_cam import DiscriminativeGradCAM
from aliter.methods.attribution.discriminative_guided_grad_cam import DiscriminativeGuidedGradCAM
from aliter.methods.attribution.grad_cam import GradCAM
from aliter.methods.attribution.gradient_difference import GradientDifference
from aliter.methods.attribution.guided_grad_cam import GuidedGradCAM
from aliter.methods.attribution.integrated_gradients import IntegratedGradients
from aliter.methods.attribution.random import Random
from aliter.methods.attribution.residual import Residual

METHODS = (
    IntegratedGradients,
    DeepLift,
    GradientDifference,
    GradCAM,
    DiscriminativeGradCAM,
    GuidedGradCAM,
    DiscriminativeGuidedGradCAM,
    Residual,
    Random,
)
"""All methods of the family: each is called as ``(probe, x, baseline, target) -> map``, signed."""

Attribution = Annotated[
    (
        IntegratedGradients
        | DeepLift
        | GradientDifference
        | GradCAM
        | DiscriminativeGradCAM
        | GuidedGradCAM
        | DiscriminativeGuidedGradCAM
        | Residual
        | Random
    ),
    Field(discriminator="kind"),
]
"""What a config can name; ``kind`` says which."""


def examples() -> tuple[Attribution, ...]:
    """Return one of each method: what the laws of the family are tried on."""
    return tuple(method() for method in METHODS)


def promising(name: Literal["discriminative", "complete"]) -> tuple[Attribution, ...]:
    """Return the examples that promise ``name``.

    ``discriminative``: equal images get a map of zeros. ``complete``: the map sums to ``answer(x) - answer(baseline)``.
    """
    return tuple(method for method in examples() if getattr(method, name))
