"""Concepts: which visual concepts a detector reacts to, and what pushing one does.

``gather`` cuts slides into tiles; ``detect`` trains the detector; ``discover`` finds what recurs in its own features;
``score`` tests whether its answer rises along each concept; ``decode`` learns to draw what its frozen body sees;
``shift`` pushes one detection along its gradient, a concept, or both, and asks the detector again; ``report`` shows it
all on one page. A classifier is a detector of one class whose one box is the whole image.

References
----------
Cohen et al. 2021, Gifsplanation via latent shift: a simple autoencoder approach to counterfactual generation for chest
X-rays, arXiv:2102.09475.
"""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Tag

from aliter.core.spec import Neutral, Spec
from aliter.data.annotations import Listed
from aliter.data.simulate import Tissue
from aliter.data.tracking import Wandb
from aliter.workflows.concepts.bench import Scoring
from aliter.workflows.concepts.decode import Decoding, decode
from aliter.workflows.concepts.detect import Detecting, detect
from aliter.workflows.concepts.discover import Discovering, discover
from aliter.workflows.concepts.gather import Tiling, gather
from aliter.workflows.concepts.report import Reporting, report
from aliter.workflows.concepts.score import score
from aliter.workflows.concepts.shift import Shifting, shift
from aliter.workflows.gather import Source
from aliter.workflows.stage import Stage


def _source(value: Any) -> str:
    if isinstance(value, Listed) or (isinstance(value, dict) and "slides" in value):
        return "listed"
    drawn = value.get("simulate") if isinstance(value, dict) else getattr(value, "simulate", None)
    return "tissue" if drawn == "tissue" else "classes"


class Config(Spec):
    """Everything the workflow may be asked: a block for each stage, named like it; ``tiles`` for ``gather``."""

    workflow: Literal["concepts"] = "concepts"
    images: Annotated[
        Annotated[Source, Tag("classes")] | Annotated[Listed, Tag("listed")] | Annotated[Tissue, Tag("tissue")],
        Discriminator(_source),
    ]
    """A store of slides with boxes, ``{slides, boxes, format}`` for files with a list, or how to draw slides; for a
    classifier, images with classes: a folder for each, a table, a store, digits that come in a package, a simulator."""
    range: tuple[float, float] | None = None
    """Intensities that networks see as -1 and 1; needed for floats, else the full range of the type."""
    tiles: Tiling = Tiling()
    detect: Detecting = Detecting()
    discover: Discovering = Discovering()
    score: Scoring = Scoring()
    decode: Decoding = Decoding()
    shift: Shifting = Shifting()
    report: Reporting = Reporting()
    log: Annotated[Wandb | None, Neutral] = None
    """Who else watches: ``{kind: wandb, project, entity, mode}``; TensorBoard's files are always written."""


STAGES = (
    Stage(gather, reads=("images", "range", "tiles")),
    Stage(detect, reads=("detect",), after=("gather",)),
    Stage(discover, reads=("detect", "discover"), after=("gather", "detect")),
    Stage(score, reads=("detect", "discover", "score"), after=("gather", "detect", "discover")),
    Stage(decode, reads=("detect", "decode"), after=("gather", "detect")),
    Stage(
        shift,
        reads=("detect", "discover", "score", "decode", "shift"),
        after=("gather", "detect", "discover", "score", "decode"),
    ),
    Stage(
        report,
        reads=("discover", "score", "shift", "report"),
        after=("gather", "detect", "discover", "score", "decode", "shift"),
    ),
)
