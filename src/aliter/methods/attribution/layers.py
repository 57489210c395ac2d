"""Look into the layers of a probe, and leave no trace there."""

import difflib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager

from jaxtyping import Float
from torch import Tensor, nn

from aliter.core.errors import RequestError
from aliter.core.probe import Answer, Layered, Probe
from aliter.methods.attribution.gradient import exact, slope

Before = Callable[[nn.Module, tuple[Tensor, ...]], None]
"""Sees the input of a layer before it runs."""
After = Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor | None]
"""Sees input and output of a layer after it ran; what it returns takes the place of the output."""
INSTEAD = "use integrated_gradients or gradient_difference, which hook nothing"
"""What to do where hooks are no help."""
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def hookable_module(probe: Probe, kind: str) -> nn.Module:
    """Return the network of ``probe``, for the method ``kind`` to place hooks in.

    Raises
    ------
    RequestError
        If the probe shows no network, says that hooks would be wrong there, or has layers in training mode.
    """
    if probe.hookable is not None:
        raise RequestError(f"{kind} hooks layers, which would be wrong here: {probe.hookable}; {INSTEAD}")
    if not isinstance(probe, Layered):
        found = type(probe).__name__
        raise RequestError(f"{kind} expected a probe that shows its module, found {found} without one; {INSTEAD}")
    training = [name or "the whole" for name, part in probe.module.named_modules() if part.training]
    if training:
        raise RequestError(f"{kind} expected a network in eval mode, found {training[0]} in training; call eval()")
    return probe.module


@contextmanager
def hooked(modules: Iterable[nn.Module], after: After | None = None, before: Before | None = None) -> Iterator[None]:
    """Bear hooks on ``modules`` inside the block; none outlives it, whatever happens there."""
    with ExitStack() as stack:
        for module in modules:
            if before is not None:
                stack.callback(module.register_forward_pre_hook(before).remove)
            if after is not None:
                stack.callback(module.register_forward_hook(after).remove)
        yield


def mapping_layers(module: nn.Module, layer: str | None) -> tuple[nn.Module, ...]:
    """Return the layer named ``layer``, or all convolutions if that is None.

    Raises
    ------
    RequestError
        If there is none.
    """
    named = dict(module.named_modules())
    if layer is None:
        found = tuple(part for part in named.values() if isinstance(part, _CONVOLUTIONS))
        if not found:
            raise RequestError("expected a network with a convolution, found none; name a layer that gives maps")
        return found
    if layer not in named:
        near = difflib.get_close_matches(layer, named, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"the last are {', '.join(list(named)[-3:])}"
        raise RequestError(f"expected the name of a layer, found '{layer}', which this network lacks; {hint}")
    return (named[layer],)


def look(
    answer: Answer, x: Float[Tensor, "B C *space"], layers: tuple[nn.Module, ...]
) -> tuple[Float[Tensor, "B D *grid"], Float[Tensor, "B D *grid"]]:
    """Return what the last of ``layers`` to run gives for ``x``, and the gradient of ``answer`` with respect to it.

    Of several layers, those that give a single pixel are passed over, as the gates of squeeze and excitation: they
    say nothing of where. The graph before the layer is not kept.

    Raises
    ------
    RequestError
        If none ran, or what it gave are not maps, one for each image.
    """
    seen: list[Tensor] = []

    def cut(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        if not isinstance(output, Tensor) or output.ndim != x.ndim or len(output) != len(x):
            return None
        if len(layers) > 1 and output[0, 0].numel() == 1:
            return None
        seen[:] = [output.detach().requires_grad_()]
        # A clone, for what follows may overwrite it in place.
        return seen[0].clone()

    with exact(x), hooked(layers, cut):
        score = answer(x)
        if not seen:
            raise RequestError(
                f"expected a layer that runs and gives {x.ndim - 2}-D maps, one for each image, found none; "
                "name one between the first and the last convolution"
            )
        return seen[0].detach(), slope(score, seen[0])
