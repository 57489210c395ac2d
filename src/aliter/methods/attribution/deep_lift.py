"""Carry the change of the answer back through a network, each bend replaced by its secant."""

from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from einops import reduce
from jaxtyping import Float
from torch import Tensor, nn

from aliter.core.errors import RequestError
from aliter.core.probe import Answer, Probe
from aliter.core.spec import Spec
from aliter.methods.attribution.gradient import exact, paired, slope
from aliter.methods.attribution.layers import INSTEAD, hookable_module, hooked

_FLAT = 1e-5
"""Changes up to this are left to the gradient: their secant would be rounding."""
_MISSED = 1e-2
"""Share of the change of the answer that a map may miss."""
_ROUNDING = 1e-5
"""Share of the terms in its sum that a map may miss: what float32 loses in a deep network."""
_POOLS: dict[type[nn.Module], Callable[..., Any]] = {
    nn.MaxPool1d: F.max_pool1d,
    nn.MaxPool2d: F.max_pool2d,
    nn.MaxPool3d: F.max_pool3d,
}
_ACTIVATIONS = (
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.PReLU,
    nn.ELU,
    nn.CELU,
    nn.SELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Softplus,
    nn.Softsign,
    nn.Sigmoid,
    nn.LogSigmoid,
    nn.Tanh,
    nn.Hardtanh,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.Threshold,
)


class DeepLift(Spec):
    """Backpropagate from ``answer(x) - answer(baseline)``, with secants in place of gradients (the rescale rule).

    The map sums to ``answer(x) - answer(baseline)``; where it does not, because the network bends elsewhere than in
    activation and max-pooling modules, the call is refused. The change of a maximum goes to the pixel that holds the
    greater of the two maxima.

    References
    ----------
    Shrikumar et al. 2017, Learning important features through propagating activation differences,
    arXiv:1704.02685, section 3.5.1.
    Ancona et al. 2018, Towards better understanding of gradient-based attribution methods, arXiv:1711.06104,
    proposition 2.
    """

    discriminative: ClassVar[bool] = True
    complete: ClassVar[bool] = True

    kind: Literal["deep_lift"] = "deep_lift"

    def __call__(
        self, probe: Probe, x: Float[Tensor, "B C *space"], baseline: Float[Tensor, "B C *space"], target: int
    ) -> Float[Tensor, "B C *space"]:
        """Return the attribution map, signed, in units of the answer.

        Raises
        ------
        RequestError
            If layers cannot be hooked, or the map of an image does not add up.
        """
        bends = [part for part in hookable_module(probe, self.kind).modules() if isinstance(part, _BENDS)]
        x, baseline = paired(x, baseline)
        answer = probe.answer(target)
        start, references = _recorded(answer, baseline, bends)
        end, multiplier = _rescaled(answer, x, bends, references)
        attribution = multiplier * (x - baseline)
        _check(attribution, start, end)
        return attribution


_BENDS = (*_ACTIVATIONS, *_POOLS)


def _recorded(answer: Answer, x: Tensor, bends: list[nn.Module]) -> tuple[Tensor, deque[Tensor]]:
    """Return the answer for ``x`` and the input of each bend, in the order in which they run."""
    inputs: deque[Tensor] = deque()

    def record(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        inputs.append(args[0].clone())

    with exact(x), torch.no_grad(), hooked(bends, before=record):
        return answer(x), inputs


def _rescaled(answer: Answer, x: Tensor, bends: list[nn.Module], references: deque[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the answer for ``x`` and its gradient with secants from ``references`` to ``x`` at the bends."""
    inputs: list[Tensor] = []

    def remember(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        # A clone, for the module may overwrite its input.
        inputs.append(args[0].clone())

    def straighten(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        rule = _secant if isinstance(module, _ACTIVATIONS) else _peak
        return rule(module, inputs.pop(), references.popleft(), output)

    with exact(x), hooked(bends, straighten, remember):
        x = x.detach().requires_grad_()
        score = answer(x)
        return score.detach(), slope(score, x)


def _secant(module: nn.Module, x: Tensor, reference: Tensor, output: Tensor) -> Tensor:
    """Return ``output`` with the slope from ``reference`` to ``x`` as its gradient, value by value."""
    with torch.no_grad():
        run = x - reference
        bent = run.abs() > _FLAT
        rise = output - module.forward(reference)
        steep = rise / torch.where(bent, run, 1)
    return torch.where(bent, output.detach() + steep * (x - x.detach()), output)


def _peak(module: nn.Module, x: Tensor, reference: Tensor, output: Tensor) -> Tensor:
    """Return ``output`` with the change of each maximum assigned to the pixel of the greater one."""
    with torch.no_grad():
        top, place = _pooled(module, x)
        base, other = _pooled(module, reference)
        place = torch.where(top >= base, place, other).flatten(2)
    here, there = x.flatten(2).gather(2, place), reference.flatten(2).gather(2, place)
    with torch.no_grad():
        run = here - there
        bent = run.abs() > _FLAT
        rise = (top - base).flatten(2)
        steep = torch.where(bent, rise / torch.where(bent, run, 1), 1)
    return output.detach() + (steep * (here - here.detach())).view_as(output)


def _pooled(module: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the maxima that ``module`` finds in ``x``, and where."""
    top, place = _POOLS[type(module)](
        x,
        module.kernel_size,
        module.stride,
        module.padding,
        module.dilation,
        ceil_mode=module.ceil_mode,
        return_indices=True,
    )
    return top, place


def _check(attribution: Float[Tensor, "B C *space"], start: Float[Tensor, " B"], end: Float[Tensor, " B"]) -> None:
    """Refuse maps that do not add up."""
    gap = (end - start).double()
    missing = (reduce(attribution.double(), "b ... -> b", "sum") - gap).abs()
    terms = reduce(attribution.abs().double(), "b ... -> b", "sum") + start.abs() + end.abs()
    wrong = missing > _MISSED * gap.abs() + _ROUNDING * terms
    if wrong.any():
        worst = int(torch.where(wrong, missing, 0).argmax())
        raise RequestError(
            f"deep_lift expected maps that sum to the change of the answer, found {missing[worst]:.2g} missing of "
            f"{gap[worst]:.2g}: this network bends where no hook can be placed; {INSTEAD}"
        )
