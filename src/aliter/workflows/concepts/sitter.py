"""One detection, or look-alike, in front of detector and decoder: ready to be pushed."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from aliter.data.run import Run
from aliter.data.tiles import Tiles
from aliter.methods.walk import Shift
from aliter.workflows.concepts.outcome import Subject, box_scores, covering, matched_scores, near_box
from aliter.workflows.concepts.push import Loom, Place, Push, shifts_of
from aliter.workflows.concepts.way import Values

if TYPE_CHECKING:
    from aliter.workflows.concepts import Config


@dataclass(frozen=True)
class Sitter:
    """One subject, ready to be pushed."""

    config: "Config"
    run: Run
    tiles: Tiles
    loom: Loom
    number: int
    subject: Subject

    @property
    def search(self) -> Shift:
        """How its target is sought."""
        return self.config.shift.up if self.subject.rise else self.config.shift.down

    @cached_property
    def x(self) -> Float[Tensor, "1 C H W"]:
        """Its tile."""
        return torch.from_numpy(self.tiles.signed(np.array([self.subject.tile]))).to(self.run.device)

    @cached_property
    def box(self) -> Float[Tensor, "1 4"]:
        """The proposal in which its score was read."""
        return torch.tensor([self.subject.box], device=self.run.device)

    @cached_property
    def plain(self) -> Float[Tensor, "1 C H W"]:
        """What is drawn of its tile, unshifted."""
        return self.loom.draw(self.x, {})

    @cached_property
    def planted(self) -> Bool[np.ndarray, "H W"] | None:
        """Where a difference was planted, if that is known."""
        return self.tiles.planted(self.subject.tile)

    @cached_property
    def near(self) -> Bool[np.ndarray, "H W"]:
        """Pixels where a change is local: the box and a margin, or what was planted and a margin."""
        margin, shape = self.config.shift.margin_px, (int(self.x.shape[2]), int(self.x.shape[3]))
        if self.planted is None:
            return near_box(self.subject.place, shape, margin)
        return np.asarray(distance_transform_edt(~self.planted) <= margin)

    @property
    def allows(self) -> bool:
        """Whether its drawing scores on the far side of the target, so that there is a way to go."""
        drawn = float(self.score(self.plain[0].cpu().numpy())[1])
        return self.search.leads(drawn, 1 if self.subject.rise else -1)

    def frame(self, values: Values, push: Push) -> Float[Tensor, "1 C H W"]:
        """Return what is drawn, laid over the unshifted drawing if only pixels near the box may change."""
        drawn = self.loom.draw(self.x, values)
        if push.within != "pixels":
            return drawn
        near = near_box(self.subject.place, tuple(drawn.shape[2:]), self.config.shift.margin_px)
        return torch.where(torch.from_numpy(near).to(drawn.device), drawn, self.plain)

    def onward(self, values: Values, push: Push) -> Values:
        """Return the way on from where ``values`` are inserted."""
        boxes = self.box
        if self.config.shift.score == "matched":
            boxes = covering(self.loom.detector, self.frame(values, push), self.box)
        at = Place(self.x, values, boxes, self.subject.place)
        return shifts_of(self.config, self.run, self.loom, at, push)

    def score(self, image: Float[np.ndarray, "C H W"]) -> Float[np.ndarray, " K"]:
        """Return the probabilities that are to reach the target."""
        if self.config.shift.score == "matched":
            figure = float(matched_scores(self.loom.detector, image[None], self.subject.place)[0])
            return np.array([1 - figure, figure])
        return self.in_box(image)

    def in_box(self, image: Float[np.ndarray, "C H W"]) -> Float[np.ndarray, " K"]:
        """Return the probabilities in the box."""
        return np.asarray(
            box_scores(self.loom.detector, torch.from_numpy(image)[None].to(self.run.device), self.box)[0]
        )
