"""A network as a probe: what methods may ask of it."""

import copy
import difflib
from collections import Counter
from collections.abc import Callable
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor, fx, nn

from aliter.core.errors import RequestError
from aliter.core.probe import Answer, Scores
from aliter.nets.blocks import widened
from aliter.nets.folded import folded

Features = Callable[[Float[Tensor, "B C *space"]], Float[Tensor, "B D *grid"]]
"""What a layer gives for each image of a batch."""


class Frozen:
    """A probe around a copy of ``net`` in eval mode, whose parameters need no gradient; ``module`` is the copy.

    ``net`` gives logits ``(B, K)`` for images in [-1, 1]; what becomes of it later does not matter here. Images may be
    on any device: they go to that of the network, and answers come back to theirs. At most ``batch`` images are
    in work at a time where no gradient is asked for, and the numbers do not depend on it beyond float error.
    """

    def __init__(self, net: nn.Module, batch: int = 64) -> None:
        self.module = _still(net)
        self.batch = batch

    def answer(self, target: int) -> Answer:
        """Return the function that gives the logit of class ``target``, differentiable, float32.

        Raises
        ------
        RequestError
            If ``target`` is negative; when it is called, if the network has no such class.
        """
        if target < 0:
            raise RequestError(f"expected a class from 0, found {target}; count classes from 0")

        def answer(x: Float[Tensor, "B C *space"]) -> Float[Tensor, " B"]:
            logits = _logits(self.module, x.to(_device(self.module, x)))
            if target >= logits.shape[1]:
                raise RequestError(
                    f"expected a class below {logits.shape[1]}, found {target}; the network knows no more classes"
                )
            return logits[:, target].to(x.device)

        return answer

    @torch.no_grad()
    def scores(self, x: Float[Tensor, "B C *space"]) -> Float[Tensor, "B K"]:
        """Return the probabilities of all classes, float32, without a gradient."""
        return self._in_parts(probabilities(self._folded), x)

    @torch.no_grad()
    def activations(self, x: Float[Tensor, "B C *space"], layer: str) -> Float[Tensor, "B D *grid"]:
        """Return what the module named ``layer`` gives for ``x``, without a gradient.

        Raises
        ------
        RequestError
            If there is no such layer, it does not run or cannot be hooked, or it gives no tensor.
        """
        return self._in_parts(features(self.module, layer), x)

    @cached_property
    def hookable(self) -> str | None:
        """Why methods that hook layers would be wrong on this model; None if they are right.

        They need every activation to be a module of its own that is called once. A model whose forward pass cannot be
        traced has the benefit of the doubt.
        """
        return _obstacle(self.module)

    @cached_property
    def _folded(self) -> nn.Module:
        return folded(self.module)

    def _in_parts(self, function: Scores | Features, x: Tensor) -> Tensor:
        device = _device(self.module, x)
        return torch.cat([function(part.to(device)).to(x.device) for part in torch.split(x, self.batch)])


def probabilities(net: nn.Module) -> Scores:
    """Return the function from images to the probabilities of all classes, float32, differentiable.

    ``net`` gives logits and is used as it is, in whatever mode it is in.
    """

    def scores(x: Float[Tensor, "B C *space"]) -> Float[Tensor, "B K"]:
        return _logits(net, x).softmax(dim=1)

    return scores


def features(net: nn.Module, layer: str) -> Features:
    """Return the function from images to what the module named ``layer`` of ``net`` gives, differentiable.

    Of a module that is called more than once the last result counts.

    Raises
    ------
    RequestError
        If there is no such layer or it cannot be hooked; when it is called, if it gives no tensor or does not run.
    """
    module = _layer(net, layer)

    def activations(x: Float[Tensor, "B C *space"]) -> Float[Tensor, "B D *grid"]:
        seen: list[object] = []
        with module.register_forward_hook(lambda module, args, out: seen.append(_kept(out))):
            net(x)
        if not seen or not isinstance(seen[-1], Tensor):
            found = f"a {type(seen[-1]).__name__}" if seen else "that it does not run"
            raise RequestError(f"expected layer '{layer}' to give a tensor, found {found}; name another layer")
        return seen[-1]

    return activations


def _layer(net: nn.Module, name: str) -> nn.Module:
    modules: dict[str, nn.Module] = dict(net.named_modules())
    if name not in modules:
        near = difflib.get_close_matches(name, modules, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"it has {', '.join(known for known in modules if known)}"
        raise RequestError(f"expected the name of a layer, found '{name}'; {hint}")
    if isinstance(modules[name], torch.jit.ScriptModule):
        raise RequestError(
            f"expected a layer that can be hooked, found '{name}' in TorchScript; give the module that was scripted"
        )
    return modules[name]


def _kept(out: object) -> object:
    """Return ``out`` safe from layers that come after it and work in place."""
    return out.clone() if isinstance(out, Tensor) else out


def _still(net: nn.Module) -> nn.Module:
    with torch.no_grad():  # Copies of a script's parameters would count as computed from them.
        still = copy.deepcopy(net)
    for parameter in still.parameters():
        parameter.requires_grad_(False)
    try:
        return still.eval()
    except NotImplementedError:  # An exported graph has its mode built in.
        return still


def _device(net: nn.Module, x: Tensor) -> torch.device:
    return next((parameter.device for parameter in net.parameters()), x.device)


def _logits(net: nn.Module, x: Tensor) -> Float[Tensor, "B K"]:
    logits = net(x)
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        found = " x ".join(map(str, logits.shape)) if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
        raise RequestError(f"expected a network that gives logits (images, classes), found {found}; wrap it so")
    return widened(logits)


_STATEFUL = (
    nn.ReLU,
    nn.ELU,
    nn.LeakyReLU,
    nn.Sigmoid,
    nn.Tanh,
    nn.Softplus,
    nn.Softmax,
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.MaxPool3d,
)
"""Modules for which rules of propagation keep input and output, so that a second call spoils the first."""
_POOLS = {"max_pool1d", "max_pool2d", "max_pool3d"}
_BENDS = {"relu", "relu6", "elu", "leaky_relu", "gelu", "silu", "sigmoid", "tanh", "softplus", "softmax", "hardtanh"}


def _obstacle(net: nn.Module) -> str | None:
    """Return why hooks on the layers of ``net`` would miss something, if that can be told."""
    if any(isinstance(module, torch.jit.ScriptModule) for module in net.modules()):
        return "it holds TorchScript, in which hooks are never called; give the module that was scripted"
    for owner, graph in _graphs(net):
        functions = {_name(node) for node in graph.nodes if node.op in ("call_function", "call_method")}
        if bends := sorted(functions & (_BENDS | _POOLS)):
            return f"it calls {', '.join(bends)} as functions, not as modules; make each a module of its own"
        calls = Counter(node.target for node in graph.nodes if node.op == "call_module")
        reused = [
            name for name, count in calls.items() if count > 1 and isinstance(owner.get_submodule(name), _STATEFUL)
        ]
        if reused:
            return f"it calls {', '.join(map(repr, reused))} more than once; make each call a module of its own"
    return None


def _graphs(net: nn.Module) -> list[tuple[nn.Module, fx.Graph]]:
    """Return what graphs of calls can be had: those that parts of ``net`` are made of, and that of its forward pass."""
    found: list[tuple[nn.Module, fx.Graph]] = [
        (module, module.graph) for module in net.modules() if isinstance(module, fx.GraphModule)
    ]
    try:
        return [*found, (net, fx.symbolic_trace(net).graph)]
    except Exception:  # What a foreign forward pass does with a tracer is open: control flow, shapes, types.
        return found


def _name(node: fx.Node) -> str:
    """Return the name of the function or method that ``node`` calls, without overload or mark of working in place."""
    return str(getattr(node.target, "__name__", node.target)).partition(".")[0].rstrip("_")
