"""Who learns to segment from clicks: heads on what describes a voxel, forests, and whole networks."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from aliter.core.spec import Spec
from aliter.train.plan import Fit
from aliter.workflows.embeddings.embed import Feature


class HeadLearner(Spec):
    """A small network on features that stay as they are."""

    kind: Literal["head"] = "head"
    features: tuple[Feature, ...] = ("embedding",)
    hidden: tuple[PositiveInt, ...] = (12,)
    """Channels between features and answer; none makes it linear."""
    fit: Fit = Fit(steps=300, size=128, rate=1e-2, decay=1e-3, save_every=300, log_every=100, keep=1, threads=1)

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{'+'.join(self.features)}, head"


class AffinityLearner(Spec):
    """A small network on features that stay as they are, told which neighbours belong together in every training field.

    The original's ``SimpleSegHead``: what it gives are affinities, not classes.
    """

    kind: Literal["affinities"] = "affinities"
    features: tuple[Feature, ...] = ("embedding",)
    hidden: tuple[PositiveInt, ...] = (12,)
    """Channels between features and answer; none makes it linear."""
    fit: Fit = Fit(steps=300, size=1024, rate=1e-2, save_every=300, log_every=100, keep=1, threads=1)
    """``size`` is the number of voxels a step, all of one part of one field."""

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{'+'.join(self.features)}, affinities, all labels"


class ForestLearner(Spec):
    """A random forest on features.

    References
    ----------
    Breiman 2001, Random forests, Machine Learning 45. Berg et al. 2019, ilastik, Nature Methods 16.
    """

    kind: Literal["forest"] = "forest"
    features: tuple[Feature, ...] = ("filters",)
    trees: PositiveInt = 100
    seed: int = 0

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{'+'.join(self.features)}, forest"


class NetLearner(Spec):
    """A U-Net like the one that embeds, with a head, all of which learns."""

    kind: Literal["net"] = "net"
    start: Literal["scratch", "embedding"] = "scratch"
    """Whether the encoder begins as new or as it was learned without labels."""
    labels: Literal["clicks", "all"] = "clicks"
    """What it is told: the clicks, or everything in the training fields, which no one would click."""
    hidden: tuple[PositiveInt, ...] = (12,)
    points: PositiveInt = 512
    """With ``all``: voxels of a crop that a step learns from."""
    fit: Fit = Fit(steps=100, size=4, rate=1e-3, save_every=100, log_every=50, keep=1)

    @property
    def name(self) -> str:
        """What tables call it."""
        begun = "from scratch" if self.start == "scratch" else "from the embedding"
        return f"U-Net {begun}" + (", all labels" if self.labels == "all" else "")


Learner = Annotated[HeadLearner | AffinityLearner | ForestLearner | NetLearner, Field(discriminator="kind")]
LEARNERS: tuple[HeadLearner | AffinityLearner | ForestLearner | NetLearner, ...] = (
    HeadLearner(),
    HeadLearner(features=("random",)),
    ForestLearner(),
    ForestLearner(features=("embedding", "filters")),
    NetLearner(),
    NetLearner(labels="all", fit=Fit(steps=400, size=4, rate=1e-3, save_every=400, log_every=100, keep=1)),
)
"""All that are compared where nothing else is said."""


def told_everything(learner: HeadLearner | AffinityLearner | ForestLearner | NetLearner) -> bool:
    """Return whether a learner sees all labels of the training fields, so that clicks do not matter to it."""
    return isinstance(learner, AffinityLearner) or (isinstance(learner, NetLearner) and learner.labels == "all")
