"""Networks, their averages and optimisers as one flat mapping of named tensors, and back."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from aliter.core.batch import Batch
from aliter.core.errors import CheckpointError, DivergenceError


def collect(
    nets: Mapping[str, nn.Module], averages: Mapping[str, nn.Module], optimizers: Mapping[str, Optimizer]
) -> dict[str, Tensor]:
    """Return all tensors that a fit would need to go on, none sharing memory with another.

    Names are ``net/<network>/...``, ``ema/<network>/...`` and ``optimizer/<network>/<parameter>/<slot>``.
    """
    named = dict(_modules(nets, averages))
    for name, optimizer in optimizers.items():
        for parameter, slots in _slots(nets[name], optimizer):
            named |= {f"optimizer/{name}/{parameter}/{slot}": value for slot, value in slots.items()}
    seen: set[int] = set()
    for key, value in named.items():
        pointer = value.data_ptr()
        if pointer in seen and value.numel():
            named[key] = value.clone()
        seen.add(pointer)
    return named


def restore(
    tensors: Mapping[str, Tensor],
    nets: Mapping[str, nn.Module],
    averages: Mapping[str, nn.Module],
    optimizers: Mapping[str, Optimizer],
) -> None:
    """Copy what ``collect`` returned into existing tensors, so memory format and ties survive.

    Raises
    ------
    CheckpointError
        If names or shapes do not fit; says which, and nothing was copied.
    """
    wanted = dict(_modules(nets, averages))
    _compare({name: value for name, value in tensors.items() if not name.startswith("optimizer/")}, wanted)
    with torch.no_grad():
        for name, value in wanted.items():
            value.copy_(tensors[name])
    for name, optimizer in optimizers.items():
        _restore_slots(name, nets[name], optimizer, tensors)


def assert_finite(tensors: Mapping[str, Tensor], step: int) -> None:
    """Refuse to keep a state with a number that is not finite.

    Raises
    ------
    DivergenceError
        Names the first tensor that is not.
    """
    for name, value in tensors.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise DivergenceError(f"step {step}: {name} is no longer finite; nothing was overwritten; lower the rate")


def assert_finite_terms(terms: Mapping[str, float], loss: float, batch: Batch) -> None:
    """Refuse to learn from a loss that is not finite.

    Raises
    ------
    DivergenceError
        Names the terms, the step and the images.
    """
    bad = [key for key, value in terms.items() if not abs(value) < float("inf")]
    if bad or not abs(loss) < float("inf"):
        raise DivergenceError(
            f"step {batch.step}: the loss {', '.join(bad) or 'in all'} is not finite on {', '.join(batch.ids[:8])}; "
            "the last checkpoint is sound; look at these images or lower the rate"
        )


def _modules(nets: Mapping[str, nn.Module], averages: Mapping[str, nn.Module]) -> Iterator[tuple[str, Tensor]]:
    for prefix, modules in (("net", nets), ("ema", averages)):
        for name, module in modules.items():
            for key, value in module.state_dict().items():
                yield f"{prefix}/{name}/{key}", value


def _slots(net: nn.Module, optimizer: Optimizer) -> Iterator[tuple[str, dict[str, Tensor]]]:
    for parameter, value in net.named_parameters():
        yield parameter, {slot: one for slot, one in optimizer.state.get(value, {}).items() if torch.is_tensor(one)}


def _restore_slots(name: str, net: nn.Module, optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    optimizer.state.clear()
    for parameter, value in net.named_parameters():
        prefix = f"optimizer/{name}/{parameter}/"
        slots = {key[len(prefix) :]: one for key, one in tensors.items() if key.startswith(prefix)}
        if slots:
            optimizer.state[value] = {slot: _like(one, value) for slot, one in slots.items()}


def _like(slot: Tensor, parameter: Tensor) -> Tensor:
    """Return ``slot`` in the device and memory format of its parameter; counters stay where optimisers keep them."""
    if slot.shape != parameter.shape:
        return slot.clone()
    return torch.empty_like(parameter, dtype=slot.dtype).copy_(slot)


def _compare(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    missing = sorted(wanted.keys() - found.keys())
    extra = sorted(found.keys() - wanted.keys())
    shapes = [
        f"{name} is {tuple(found[name].shape)}, expected {tuple(wanted[name].shape)}"
        for name in sorted(wanted.keys() & found.keys())
        if found[name].shape != wanted[name].shape
    ]
    parts = [f"lacks {', '.join(missing[:4])}"] if missing else []
    parts += [f"has {', '.join(extra[:4])} beyond it"] if extra else []
    parts += shapes[:4]
    if parts:
        raise CheckpointError(
            f"the checkpoint does not fit these networks: {'; '.join(parts)}; use the config it was made with"
        )
