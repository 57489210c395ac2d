"""The boundary: realistic images that a classifier cannot decide, and what kinds there are.

``gather`` brings the images into one store; ``classify`` trains the classifiers that are put under stress; ``measure``
fixes how realism is measured; ``pretrain`` learns to draw images of the two classes; ``confuse`` goes on until a
classifier is undecided about them; ``select`` takes the best bargain between real and ambiguous; ``compare``
asks what simpler ways find for the same arithmetic; ``embed`` and
``cluster`` find the kinds of ambiguous images; ``prototypes`` shows one of each, why it is ambiguous, and what would
decide it; ``report`` shows it all on one page.

References
----------
Cunha et al. 2023, GASTeN: generative adversarial stress test networks, doi:10.1007/978-3-031-30047-9_8.
Gomes et al. 2024, Finding patterns in ambiguity: interpretable stress testing in the decision boundary,
arXiv:2408.06302.
"""

from typing import Annotated, Literal

from aliter.core.spec import Neutral, Spec
from aliter.data.tracking import Wandb
from aliter.workflows.boundary.classify import Classifying, classify
from aliter.workflows.boundary.cluster import Clustering, cluster
from aliter.workflows.boundary.compare import Comparing, compare
from aliter.workflows.boundary.confuse import Confusing, confuse
from aliter.workflows.boundary.embed import Embedding, embed
from aliter.workflows.boundary.measure import Measuring, measure
from aliter.workflows.boundary.pretrain import Pretraining, pretrain
from aliter.workflows.boundary.prototypes import Prototyping, prototypes
from aliter.workflows.boundary.report import Reporting, report
from aliter.workflows.boundary.select import Selecting, select
from aliter.workflows.gather import Source, gather
from aliter.workflows.stage import Stage


class Config(Spec):
    """Everything the workflow may be asked: a block for each stage, named like it."""

    workflow: Literal["boundary"] = "boundary"
    images: Source
    """A folder per class, a store, digits that come in a package, or how to draw images."""
    range: tuple[float, float] | None = None
    """Intensities that networks see as -1 and 1; needed for floats, else the full range of the type."""
    pair: tuple[str | int, str | int] | None = None
    """Names of the two classes between which to look; may be left out where there are no others."""
    classify: Classifying = Classifying()
    measure: Measuring = Measuring()
    pretrain: Pretraining = Pretraining()
    confuse: Confusing = Confusing()
    select: Selecting = Selecting()
    compare: Comparing = Comparing()
    embed: Embedding = Embedding()
    cluster: Clustering = Clustering()
    prototypes: Prototyping = Prototyping()
    report: Reporting = Reporting()
    log: Annotated[Wandb | None, Neutral] = None
    """Who else watches: ``{kind: wandb, project, entity, mode}``; TensorBoard's files are always written."""


_CHOSEN = ("pair", "classify", "measure", "pretrain", "confuse", "select")

STAGES = (
    Stage(gather, reads=("images", "range")),
    Stage(classify, reads=("pair", "classify"), after=("gather",)),
    Stage(measure, reads=("pair", "measure"), after=("gather",)),
    Stage(pretrain, reads=("pair", "measure", "pretrain"), after=("gather", "measure")),
    Stage(confuse, reads=_CHOSEN[:-1], after=("gather", "classify", "measure", "pretrain")),
    Stage(select, reads=_CHOSEN, after=("gather", "classify", "measure", "pretrain", "confuse")),
    Stage(
        compare,
        reads=(*_CHOSEN, "compare"),
        after=("gather", "classify", "measure", "pretrain", "confuse", "select"),
    ),
    Stage(embed, reads=("pair", "classify", "embed"), after=("gather", "classify", "measure", "select")),
    Stage(cluster, reads=("embed", "cluster"), after=("embed",)),
    Stage(
        prototypes,
        reads=(*_CHOSEN, "prototypes"),
        after=("gather", "classify", "confuse", "select", "embed", "cluster"),
    ),
    Stage(
        report,
        reads=("pair", "classify", "pretrain", "confuse", "report"),
        after=("classify", "measure", "pretrain", "confuse", "select", "compare", "embed", "cluster", "prototypes"),
    ),
)
