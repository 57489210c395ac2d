"""Classifiers that are put under stress: small on purpose, and nearly linear."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import PositiveInt
from torch import Tensor, nn

from aliter.core.errors import RequestError
from aliter.core.spec import Spec


class PoolCNN(Spec):
    """Two 3x3 convolutions, each followed by 2x2 max-pooling, and a linear layer; nothing else bends.

    Two classes have one output, the logit of the second against the first. At 28 x 28 and widths of 1, 2, 4, 8 and 16
    it has 129, 293, 729, 2033 and 6369 parameters; ``flatten`` gives 98 features for each unit of width.

    References
    ----------
    Cunha et al. 2023, GASTeN: generative adversarial stress test networks, section 4.
    """

    kind: Literal["pool_cnn"] = "pool_cnn"
    width: PositiveInt = 2
    """Channels of the first convolution; the second has twice as many."""

    def build(self, channels: int, size: int, classes: int) -> nn.Module:
        """Return the network from images ``(B, channels, size, size)`` in [-1, 1] to logits ``(B, classes)``.

        Raises
        ------
        RequestError
            If the images are too small to be halved twice.
        """
        if size < 4:
            raise RequestError(f"expected images of at least 4 pixels a side, found {size}; enlarge them")
        layers = OrderedDict[str, nn.Module](
            convolution0=nn.Conv2d(channels, self.width, 3, padding=1),
            pool0=nn.MaxPool2d(2),
            convolution1=nn.Conv2d(self.width, 2 * self.width, 3, padding=1),
            pool1=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
        )
        return nn.Sequential(layers | _head(2 * self.width * (size // 4) ** 2, classes))


class MLP(Spec):
    """Two linear layers with nothing between them, as published: a linear classifier of few dimensions.

    At 28 x 28 and a width of 2 it has 1573 parameters; ``hidden`` gives its features.

    References
    ----------
    Cunha et al. 2023, GASTeN: generative adversarial stress test networks, section 4.
    """

    kind: Literal["mlp"] = "mlp"
    width: PositiveInt = 2
    """Features between the layers."""

    def build(self, channels: int, size: int, classes: int) -> nn.Module:
        """Return the network from images ``(B, channels, size, size)`` in [-1, 1] to logits ``(B, classes)``."""
        layers = OrderedDict[str, nn.Module](flatten=nn.Flatten(), hidden=nn.Linear(channels * size**2, self.width))
        return nn.Sequential(layers | _head(self.width, classes))


class Odds(nn.Module):
    """Two logits from one, so that the second class has the probability that the one stands for."""

    def forward(self, logit: Float[Tensor, "B 1"]) -> Float[Tensor, "B 2"]:
        """Return minus and plus one half of ``logit``."""
        return torch.cat((-logit / 2, logit / 2), dim=1)


class Between(nn.Module):
    """A classifier that is asked about two of its classes."""

    def __init__(self, net: nn.Module, first: int = 0, second: int = 1) -> None:
        super().__init__()
        self.net, self.first, self.second = net, first, second

    def forward(self, x: Float[Tensor, "B C *space"]) -> Float[Tensor, " B"]:
        """Return the logit of the second class against the first: above 0 where the second is likelier."""
        logits = self.net(x)
        return torch.as_tensor(logits[:, self.second] - logits[:, self.first])


class Surest(nn.Module):
    """Several classifiers that are asked at once, of which the surest answers: undecided only if all are."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x: Float[Tensor, "B C *space"]) -> Float[Tensor, " B"]:
        """Return of the logits of all members the one that is farthest from 0; the first of equals."""
        logits = torch.stack([one(x) for one in self.members])
        return logits.gather(0, logits.abs().argmax(0, keepdim=True))[0]


def _head(features: int, classes: int) -> OrderedDict[str, nn.Module]:
    if classes == 2:
        return OrderedDict(head=nn.Linear(features, 1), odds=Odds())
    return OrderedDict(head=nn.Linear(features, classes))
