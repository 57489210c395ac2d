"""Named layers of a network: read what they give, and add to it."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from torch import Tensor, nn

from aliter.core.errors import RequestError


def layer(net: nn.Module, name: str) -> nn.Module:
    """Return the module ``name`` of ``net``.

    Raises
    ------
    RequestError
        If there is none; names the nearest.
    """
    there: dict[str, nn.Module] = dict(net.named_modules())
    if name not in there or not name:
        near = difflib.get_close_matches(name, there, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"it has {', '.join(list(there)[1:9])} and more"
        raise RequestError(f"expected the name of a layer, found '{name}'; {hint}")
    return there[name]


@contextmanager
def inserted(net: nn.Module, values: Mapping[str, Tensor | None]) -> Iterator[None]:
    """Let named layers give what they give plus ``values``, while the block runs; None changes nothing at all.

    Raises
    ------
    RequestError
        If there is no such layer; when it runs, if the value has not the shape of what it gives.
    """

    def adding(name: str, value: Tensor) -> object:
        def hook(module: nn.Module, args: object, out: Tensor) -> Tensor:
            if out.shape[1:] != value.shape[-out.ndim + 1 :] or value.ndim not in (out.ndim, out.ndim - 1):
                shapes = f"{tuple(out.shape)}, found {tuple(value.shape)}"
                raise RequestError(f"{name}: expected a value of the shape that the layer gives, {shapes}; reshape it")
            return out + value

        return layer(net, name).register_forward_hook(hook)

    with ExitStack() as stack:
        for name, value in values.items():
            layer(net, name)
            if value is not None:
                stack.enter_context(_removed(adding(name, value)))
        yield


@contextmanager
def _removed(handle: object) -> Iterator[None]:
    try:
        yield
    finally:
        handle.remove()  # type: ignore[attr-defined]


@contextmanager
def watched(net: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Yield a mapping that holds what the named layers gave last, while the block runs.

    Raises
    ------
    RequestError
        If there is no such layer.
    """
    seen: dict[str, Tensor] = {}

    def noting(name: str) -> object:
        def hook(module: nn.Module, args: object, out: Tensor) -> None:
            seen[name] = out.clone()

        return layer(net, name).register_forward_hook(hook)

    with ExitStack() as stack:
        for name in names:
            stack.enter_context(_removed(noting(name)))
        yield seen
