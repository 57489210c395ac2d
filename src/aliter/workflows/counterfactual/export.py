"""What a run leaves for others to use: the classifier, and the translator that shows an image as another class."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from aliter.core.rng import chance
from aliter.data.run import Run
from aliter.nets.own import Own
from aliter.nets.portable import IMAGE, Port, Portable, Scaled, signing, unsigning
from aliter.workflows.classifier import portable
from aliter.workflows.counterfactual.classify import classifier_of
from aliter.workflows.counterfactual.generate import generates
from aliter.workflows.counterfactual.translate import translator_of
from aliter.workflows.gather import images_of

if TYPE_CHECKING:
    from aliter.workflows.counterfactual import Config


class _Shown(nn.Module):
    """An image as it is stored, shown as another class in the style of a latent."""

    def __init__(self, nets: Mapping[str, nn.Module], declared: tuple[float, float]) -> None:
        super().__init__()
        self.mapping, self.generator = nets["mapping"], nets["generator"]
        self.signing: Scaled = signing(declared)
        self.unsigning: Scaled = unsigning(declared)

    def forward(
        self, image: Float[Tensor, "B C H W"], latent: Float[Tensor, "B L"], target: Int[Tensor, " B"]
    ) -> Float[Tensor, "B C H W"]:
        style = self.mapping(latent, target)
        return torch.as_tensor(self.unsigning(self.generator(self.signing(image), style)))


def portables(config: "Config", run: Run) -> dict[str, Portable]:
    """Return the networks that were trained here, by name; a classifier of the user's own is not."""
    images, found = images_of(run), {}
    if not isinstance(config.classify.net, Own):
        found["classifier"] = portable(classifier_of(config, run).module, images)
    if generates(config):
        nets, number = translator_of(config, run).nets, images.split("test")[:1]
        image, stored = Port("image", IMAGE, images.channels), images.take(number).astype(np.float32)
        latent = chance(0, "export").standard_normal((1, config.translate.net.latent), np.float32)
        target = (images.labels[number] + 1) % len(images.classes)
        found["translator"] = Portable(
            _Shown(nets, images.range),
            nets,
            f"Shows an image as another class, its number in {', '.join(images.classes)}, in the style of a latent.",
            {image: stored, Port("latent", ("batch", "channel")): latent, Port("target", ("batch",)): target},
            Port("counterfactual", IMAGE, images.channels),
        )
    return found
