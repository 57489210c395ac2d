"""Sharpen Grad-CAM by guided backpropagation."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.graph import Node

from aliter.core.errors import RequestError
from aliter.core.probe import Probe
from aliter.core.spec import Spec
from aliter.methods.attribution.grad_cam import GradCAM
from aliter.methods.attribution.gradient import exact, paired, slope
from aliter.methods.attribution.layers import INSTEAD, hookable_module, hooked


class GuidedGradCAM(Spec):
    """Multiply the guided gradient at ``x`` by what is positive in the map of ``GradCAM``.

    ``baseline`` is not looked at.

    References
    ----------
    Selvaraju et al. 2017, Grad-CAM, arXiv:1610.02391, section 3.2.
    """

    discriminative: ClassVar[bool] = False
    complete: ClassVar[bool] = False

    kind: Literal["guided_grad_cam"] = "guided_grad_cam"
    layer: str | None = None
    """Name of the layer; by default the last convolution to run, of those that give more than one pixel."""

    def __call__(
        self, probe: Probe, x: Float[Tensor, "B C *space"], baseline: Float[Tensor, "B C *space"], target: int
    ) -> Float[Tensor, "B C *space"]:
        """Return the attribution map, signed.

        Raises
        ------
        RequestError
            If layers cannot be hooked, ``layer`` gives no maps, or a ReLU of the network is not a module.
        """
        guided = guided_gradient(probe, x, target, self.kind)
        return guided * GradCAM(layer=self.layer)(probe, x, baseline, target).clamp(min=0)


def guided_gradient(
    probe: Probe, x: Float[Tensor, "B C *space"], target: int, kind: str
) -> Float[Tensor, "B C *space"]:
    """Return the gradient at ``x``, for the method ``kind``, with all that is negative stopped at every ReLU.

    Raises
    ------
    RequestError
        If layers cannot be hooked, no ReLU ran, or one ran as a function, where no hook can be placed.

    References
    ----------
    Springenberg et al. 2015, Striving for simplicity, arXiv:1412.6806, section 3.4.
    """
    module, (x, _) = hookable_module(probe, kind), paired(x, x)
    guided: set[Node] = set()

    def guide(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if output.grad_fn is not None:
            guided.add(output.grad_fn)
            output.grad_fn.register_prehook(lambda back: tuple(one.clamp(min=0) for one in back))

    rectifiers = [part for part in module.modules() if isinstance(part, nn.ReLU)]
    with exact(x), hooked(rectifiers, guide):
        score = probe.answer(target)(x.requires_grad_())
        unguided = [node for node in _nodes(score) if node.name() == "ReluBackward0" and node not in guided]
        if unguided or not guided:
            found = f"{len(unguided)} applied as functions" if unguided else "none"
            raise RequestError(f"{kind} expected ReLUs that are modules and run once, found {found}; {INSTEAD}")
        return slope(score, x)


def _nodes(score: Tensor) -> Iterator[Node]:
    """Yield every step that led to ``score`` and can be differentiated."""
    waiting, known = [score.grad_fn], {None, score.grad_fn}
    while waiting:
        node = waiting.pop()
        if node is None:
            continue
        yield node
        fresh = {one for one, _ in node.next_functions} - known
        known |= fresh
        waiting.extend(fresh)
