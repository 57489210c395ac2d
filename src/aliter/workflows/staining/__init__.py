"""Staining: what a dye would show, predicted from light without it, how good that is, and where it is invented.

``gather`` brings pairs of images into one store and measures each channel where it is learned from; ``regress`` learns
the stain pixel by pixel; ``translate`` learns to draw it so that a discriminator takes the pair for real; ``predict``
stains the fields that were not learned from; ``evaluate`` compares with the real stain, pixel by pixel and object by
object; ``doubt`` asks how sure the networks are, whether that is right, and where they invent; ``report`` shows it all
on one page.

References
----------
Wang et al. 2018, High-resolution image synthesis and semantic manipulation with conditional GANs, arXiv:1711.11585.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Tag

from aliter.core.spec import Neutral, Spec, path_or
from aliter.data.ihc import Ihc
from aliter.data.simulate import Phase
from aliter.data.tracking import Wandb
from aliter.workflows.stage import Stage
from aliter.workflows.staining.doubt import Doubting, doubt
from aliter.workflows.staining.evaluate import Evaluating, evaluate
from aliter.workflows.staining.gather import gather
from aliter.workflows.staining.predict import Predicting, predict
from aliter.workflows.staining.regress import Regressing, regress
from aliter.workflows.staining.report import Reporting, report
from aliter.workflows.staining.translate import Translating, translate

Source = Annotated[
    Annotated[Path, Tag("path")] | Annotated[Ihc, Tag("stain")] | Annotated[Phase, Tag("simulate")],
    path_or("stain", "simulate"),
]
"""Where pairs may come from."""


class Config(Spec):
    """Everything the workflow may be asked: a block for each stage, named like it."""

    workflow: Literal["staining"] = "staining"
    images: Source
    """A plate of OME-Zarr, a folder for each channel with files of equal names, a store, ``{stain: ihc}``, the two dyes
    of one real section, or how to draw fields."""
    range: tuple[float, float] | None = None
    """Intensities that a store of floats may hold; networks see each channel as it was where they learned."""
    source: tuple[str, ...] = ()
    """Channels without stain; the first one if none is named."""
    target: tuple[str, ...] = ()
    """Channels that are predicted, the one of objects first; all others if none is named."""
    regress: Regressing = Regressing()
    translate: Translating = Translating()
    predict: Predicting = Predicting()
    evaluate: Evaluating = Evaluating()
    doubt: Doubting = Doubting()
    report: Reporting = Reporting()
    log: Annotated[Wandb | None, Neutral] = None
    """Who else watches: ``{kind: wandb, project, entity, mode}``; TensorBoard's files are always written."""


_NETS = ("regress", "translate", "predict")

STAGES = (
    Stage(gather, reads=("images", "range", "source", "target")),
    Stage(regress, reads=("regress",), after=("gather",)),
    Stage(translate, reads=("translate",), after=("gather",)),
    Stage(predict, reads=_NETS, after=("gather", "regress", "translate")),
    Stage(evaluate, reads=("predict", "evaluate"), after=("gather", "predict")),
    Stage(doubt, reads=(*_NETS, "evaluate", "doubt"), after=("gather", "regress", "translate", "predict", "evaluate")),
    Stage(
        report,
        reads=("predict", "evaluate", "doubt", "report"),
        after=("gather", "regress", "translate", "predict", "evaluate", "doubt"),
    ),
)
