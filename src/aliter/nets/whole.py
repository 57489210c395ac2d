"""A classifier as a detector of one class, whose one box is the whole image."""

from collections.abc import Sequence
from math import log2
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from aliter.core.errors import RequestError
from aliter.core.spec import Spec
from aliter.nets.blocks import initialise
from aliter.nets.classifier import Classifier
from aliter.nets.detections import Detections, Detector
from aliter.nets.layers import layer
from aliter.nets.own import Own
from aliter.nets.small_cnn import SmallCNN


class WholeImage(Spec):
    """A classifier, asked about one of its classes: each image is a box, its score the probability of that class."""

    numbers: ClassVar[int] = 2

    kind: Literal["classifier"] = "classifier"
    of: Classifier = SmallCNN()
    """The classifier; one of your own as weights for timm (``{kind: own, path, timm}``), since it is looked into."""

    def build(self, shape: tuple[int, ...], classes: Sequence[str], figure: str, seed: int) -> "Whole":
        """Return it for images of ``shape``, its weights drawn from ``seed`` unless it is one's own.

        Raises
        ------
        RequestError
            If there is no class ``figure``, or the classifier is a program, which cannot be looked into.
        """
        if figure not in classes:
            raise RequestError(f"tiles.figure: expected a class, one of {', '.join(classes)}; found '{figure}'")
        if isinstance(self.of, Own):
            if self.of.timm is None:
                raise RequestError(
                    f"{self.of.path}: expected a classifier with layers to look into, found a program, which runs as a "
                    "whole; give its weights, and name its network under 'timm'"
                )
            net: nn.Module = self.of.load(shape, classes, trust=False)
        else:
            net = self.of.build(shape[0], shape[1], len(classes))
            initialise({"classifier": net}, seed)
        return Whole(net, list(classes).index(figure), shape)

    @property
    def learned(self) -> bool:
        """Whether it is one's own, trained before."""
        return isinstance(self.of, Own)


class Whole(Detector):
    """A classifier that finds one object, or its look-alike, in every image: as large as the image.

    Of its two logits one is that of the class, the other the logarithm of the summed exponentials of all others: their
    softmax is the probability that the classifier gives the class, their difference its log-odds. Layers of the
    classifier are those of ``backbone``.
    """

    def __init__(self, net: nn.Module, figure: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.backbone: Any = net
        self.figure, self.shape = figure, shape

    def prepare(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Return images as they are."""
        return x

    def logits(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 2"]:
        """Return the logits of all other classes together, and of the one that is asked about."""
        found = self.backbone(x)
        others = torch.arange(found.shape[1], device=found.device) != self.figure
        return torch.stack([found[:, others].logsumexp(1), found[:, self.figure]], 1)

    def box_logits(self, x: Float[Tensor, "B C H W"], corners: Sequence[Float[Tensor, "_ 4"]]) -> Float[Tensor, "M 2"]:
        """Return the logits of each image, as often as it has boxes; differentiable."""
        counts = torch.tensor([len(one) for one in corners], device=x.device)
        return self.logits(x).repeat_interleave(counts, 0)

    @torch.no_grad()
    def detect(self, x: Float[Tensor, "B C H W"]) -> list[Detections]:
        """Return the whole of each image as the one thing found there."""
        logits = self.logits(x)
        corners = x.new_tensor([[0.0, 0.0, float(x.shape[-1]), float(x.shape[-2])]])
        one, none = (torch.full((1,), value, dtype=torch.int64, device=x.device) for value in (1, 0))
        return [Detections(corners, row.softmax(-1)[1:], one, none, corners, row[None]) for row in logits]

    def layer_at(self, at: int | str) -> str:
        """Return the name of the layer that is decoded.

        Raises
        ------
        RequestError
            If none is named.
        """
        if isinstance(at, int):
            names = [f"backbone.{name}" for name, _ in self.backbone.named_children()]
            raise RequestError(
                f"decode.layer: expected the name of a layer of the classifier, found none; name one of "
                f"{', '.join(names)}, or inside them"
            )
        layer(self, at)
        return at

    def body(self, at: int | str) -> nn.Module:
        """Return the classifier up to a layer; its modules are those of this network."""
        return _Until(self.backbone, self.layer_at(at).removeprefix("backbone."))

    @torch.no_grad()
    def grid(self, at: int | str) -> tuple[int, int]:
        """Return the channels that a layer gives, and the pixels a cell, to the nearest power of two.

        Raises
        ------
        RequestError
            If it gives no maps.
        """
        device = next(self.parameters()).device
        maps = self.body(at).eval()(torch.zeros((1, *self.shape), device=device))
        if maps.ndim != 4:
            raise RequestError(
                f"{at}: expected a layer that gives maps, found one of {maps.ndim - 1} axes; name another"
            )
        return int(maps.shape[1]), 2 ** round(log2(self.shape[1] / maps.shape[2]))


class _Until(nn.Module):
    """A network up to one of its layers: the rest does not run, unless it is written down for use elsewhere."""

    def __init__(self, net: nn.Module, name: str) -> None:
        super().__init__()
        self.net, self.name = net, name

    def forward(self, x: Tensor) -> Tensor:
        seen: list[Tensor] = []

        def note(module: nn.Module, args: object, out: Tensor) -> None:
            seen.append(out.clone())
            if not torch.compiler.is_exporting():
                raise _ReachedError

        handle = layer(self.net, self.name).register_forward_hook(note)
        try:
            self.net(x)
        except _ReachedError:
            pass
        finally:
            handle.remove()
        if not seen:
            raise RequestError(f"{self.name}: expected a layer that runs, found one that does not; name another")
        return seen[0]


class _ReachedError(Exception):
    pass
