"""What a run leaves for others to use: the classifier that is asked about, and the generator that confuses it."""

from typing import TYPE_CHECKING

from torch import nn

from aliter.data.run import Run
from aliter.nets.own import Own
from aliter.nets.portable import IMAGE, Port, Portable, unsigning
from aliter.workflows.boundary.classify import chosen_classifier, chosen_members, classifier_of, known_images, net_of
from aliter.workflows.boundary.pair import latents, pair_of
from aliter.workflows.boundary.select import generator_of
from aliter.workflows.classifier import portable

if TYPE_CHECKING:
    from aliter.workflows.boundary import Config


def portables(config: "Config", run: Run) -> dict[str, Portable]:
    """Return the networks that were trained here, by name; a classifier of the user's own is not."""
    pair, name = pair_of(config, run), chosen_classifier(run)
    generator, length = generator_of(config, run, "step2"), config.pretrain.net.latent
    first, second = pair.classes
    found = {
        "generator": Portable(
            nn.Sequential(generator, unsigning(pair.range)),
            {"generator": generator},
            f"Draws images that the classifier {name} cannot tell as {first} or {second}, from a normal latent.",
            {Port("latent", ("batch", "channel")): latents(0, "export", range(1), length)},
            Port("image", IMAGE, pair.channels),
        )
    }
    members = chosen_members(config, run)
    for one in members:
        if not isinstance(net_of(config.classify, one), Own):
            title = "classifier" if len(members) == 1 else f"classifier-{one}"
            found[title] = portable(classifier_of(config, run, one), known_images(config, run))
    return found
