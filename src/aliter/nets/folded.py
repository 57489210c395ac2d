"""The same network, faster where no gradient is asked for."""

import copy
from collections import Counter
from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def folded(net: nn.Module) -> nn.Module:
    """Return a copy of ``net``, which is in eval mode, that gives the same up to float error.

    Where the order of calls is known, in an ``nn.Sequential`` and those in it, a batch normalisation goes into the
    convolution before it, and a ReLU behind one of the two works in place. Layers that stand in two places or carry
    hooks are left as they are. The copy is for answers alone: its layers give other activations. Any other network
    is returned itself.
    """
    if type(net) is not nn.Sequential:
        return net
    copied = copy.deepcopy(net)
    _fold_chain(copied, Counter(id(module) for _, module in copied.named_modules(remove_duplicate=False)))
    return copied


def _fold_chain(chain: nn.Sequential, uses: "Counter[int]") -> None:
    names = [name for name, module in chain.named_children() if not isinstance(module, nn.Identity)]
    for first, second in pairwise(names):
        _fold(chain, first, second, uses)
    for module in chain.children():
        if type(module) is nn.Sequential and uses[id(module)] == 1:
            _fold_chain(module, uses)


def _fold(chain: nn.Sequential, first: str, second: str, uses: "Counter[int]") -> None:
    """Let what ``first`` names in ``chain`` do the work of what ``second`` names, or let that work in place."""
    one, other = chain.get_submodule(first), chain.get_submodule(second)
    if uses[id(one)] > 1 or uses[id(other)] > 1 or _hooked(one) or _hooked(other):
        return
    if isinstance(one, _CONVOLUTIONS) and isinstance(other, _NORMS) and other.track_running_stats:
        setattr(chain, first, nn.Identity())
        setattr(chain, second, fuse_conv_bn_eval(one, other))
    elif isinstance(other, nn.ReLU) and isinstance(one, (*_CONVOLUTIONS, *_NORMS)):
        other.inplace = True


def _hooked(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)
