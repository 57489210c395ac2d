"""Counterfactuals: what, and where, would have to change for a classifier to call this cell another class.

``gather`` brings the images into one store; ``classify`` trains the classifier that is explained; ``translate``
trains a generator that shows an image as another class; ``generate`` keeps the best of several counterfactuals
of each image, or takes pairs that were made elsewhere; ``attribute`` says where the difference lies; ``evaluate``
scores every map by the change that its mask brings about, and against planted truth; ``report`` shows it all on one
page.

References
----------
Adjavon et al. 2024, Quantitative attributions with counterfactuals, bioRxiv 2024.11.26.625505.
"""

from pathlib import Path
from typing import Annotated, Literal

from aliter.core.spec import Neutral, Spec
from aliter.data.tracking import Wandb
from aliter.workflows.counterfactual.attribute import Attributing, attribute
from aliter.workflows.counterfactual.classify import Classifying, classify
from aliter.workflows.counterfactual.evaluate import Evaluating, evaluate
from aliter.workflows.counterfactual.generate import Generating, generate, generates
from aliter.workflows.counterfactual.report import Reporting, report
from aliter.workflows.counterfactual.translate import Translating, translate
from aliter.workflows.gather import Source, gather
from aliter.workflows.stage import Stage


class Config(Spec):
    """Everything the workflow may be asked: a block for each stage, named like it."""

    workflow: Literal["counterfactual"] = "counterfactual"
    images: Source
    """A folder per class, a CSV file, arrays or a store, digits that come in a package, or how to draw images."""
    range: tuple[float, float] | None = None
    """Intensities that networks see as -1 and 1; needed for floats, else the full range of the type."""
    pairs: Path | None = None
    """Counterfactuals that were made elsewhere: a store with ``{name}/generated/{source}_{target}``, such as another
    run's ``store.zarr``, or a folder with a folder ``source_target`` for each pair, files named like the queries."""
    classify: Classifying = Classifying()
    translate: Translating = Translating()
    generate: Generating = Generating()
    attribute: Attributing = Attributing()
    evaluate: Evaluating = Evaluating()
    report: Reporting = Reporting()
    log: Annotated[Wandb | None, Neutral] = None
    """Who else watches: ``{kind: wandb, project, entity, mode}``; TensorBoard's files are always written."""


STAGES = (
    Stage(gather, reads=("images", "range")),
    Stage(classify, reads=("classify",), after=("gather",)),
    Stage(
        translate,
        reads=("classify", "translate"),
        after=("gather", "classify"),
        needed=generates,
    ),
    Stage(generate, reads=("pairs", "classify", "translate", "generate"), after=("gather", "classify", "translate")),
    Stage(attribute, reads=("classify", "attribute"), after=("classify", "generate")),
    Stage(evaluate, reads=("classify", "evaluate"), after=("classify", "generate", "attribute")),
    Stage(
        report,
        reads=("evaluate", "report"),
        after=("gather", "classify", "translate", "generate", "attribute", "evaluate"),
    ),
)
