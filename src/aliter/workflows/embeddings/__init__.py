"""Embeddings: how far a few clicks carry if the representation is learned without labels first.

``gather`` brings the fields into one store; ``points`` chooses the few voxels that are clicked; ``contrast`` learns an
embedding of every voxel from pairs of views; ``embed`` writes it for all fields, beside what it is compared with;
``segment`` learns to tell objects from background, from clicks, in several ways; ``validate`` makes objects of what was
predicted and compares them with the truth; ``report`` shows it all on one page.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Tag, model_validator

from aliter.core.spec import Neutral, Spec, path_or
from aliter.data.simulate import Nuclei
from aliter.data.tracking import Wandb
from aliter.workflows.embeddings.contrast import Contrasting, contrast
from aliter.workflows.embeddings.embed import Embedding, embed
from aliter.workflows.embeddings.gather import gather
from aliter.workflows.embeddings.param_dict import imported
from aliter.workflows.embeddings.points import Pointing, points
from aliter.workflows.embeddings.report import Reporting, report
from aliter.workflows.embeddings.segment import Segmenting, segment
from aliter.workflows.embeddings.validate import Validating, validate
from aliter.workflows.stage import Stage

__all__ = ["STAGES", "Config", "imported"]


class Config(Spec):
    """Everything the workflow may be asked: a block for each stage, named like it; ``validation`` for ``validate``."""

    workflow: Literal["embeddings"] = "embeddings"
    images: Annotated[Annotated[Path, Tag("path")] | Annotated[Nuclei, Tag("simulate")], path_or("simulate")]
    """A folder with ``images`` and ``masks``, one of the Cell Tracking Challenge, a store, or how to draw one."""
    range: tuple[float, float] | None = None
    """Intensities that networks see as -1 and 1; needed for floats, else the full range of the type."""
    points: Pointing = Pointing()
    contrast: Contrasting = Contrasting()
    embed: Embedding = Embedding()
    segment: Segmenting = Segmenting()
    validation: Validating = Validating()
    report: Reporting = Reporting()
    log: Annotated[Wandb | None, Neutral] = None
    """Who else watches: ``{kind: wandb, project, entity, mode}``; TensorBoard's files are always written."""

    @model_validator(mode="after")
    def _enough(self) -> "Config":
        most = max(self.segment.clicks, default=0)
        if self.points.count < most and (self.points.source is None or self.points.source.is_dir()):
            raise ValueError(f"expected points.count to be at least {most}, as segment.clicks ask; raise it")
        return self


STAGES = (
    Stage(gather, reads=("images", "range")),
    Stage(points, reads=("points",), after=("gather",)),
    Stage(contrast, reads=("contrast",), after=("gather",)),
    Stage(embed, reads=("contrast", "embed"), after=("gather", "contrast")),
    Stage(segment, reads=("points", "contrast", "embed", "segment"), after=("gather", "points", "contrast", "embed")),
    Stage(validate, reads=("segment", "validation", "points"), after=("gather", "points", "segment")),
    Stage(
        report,
        reads=("points", "segment", "validation", "report"),
        after=("gather", "points", "contrast", "embed", "segment", "validate"),
    ),
)
