"""Best of several tries, for many images at once."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int

from aliter.data.images import Images
from aliter.nets.frozen import Frozen
from aliter.workflows.counterfactual.translation import Kind, Translator


@dataclass(frozen=True)
class Found:
    """What a search kept for a block of images, best first."""

    generated: Float32[np.ndarray, "B keep C H W"]
    predictions: Float32[np.ndarray, "B keep K"]
    converted: Bool[np.ndarray, "B keep"]
    origin: Int[np.ndarray, "B keep"]
    tries: Float32[np.ndarray, "B R K"]
    """Predictions of every try; NaN where none was needed."""


def best(predictions: Float[np.ndarray, "R K"], target: int, keep: int = 1) -> Int[np.ndarray, " keep"]:
    """Return the positions of the ``keep`` best tries: converted ones first, then by probability of the target.

    Tries that were not made are NaN and come last.
    """
    probability = np.where(np.isnan(predictions[:, target]), -1.0, predictions[:, target])
    return np.lexsort((-probability, ~taken_for(predictions, target)))[:keep]


def taken_for(predictions: Float[np.ndarray, "*R K"], target: int) -> Bool[np.ndarray, "*R"]:
    """Return which tries were classified as ``target``; one that was not made was not."""
    made = ~np.isnan(predictions[..., target])
    return np.asarray(made & (np.nan_to_num(predictions).argmax(-1) == target))


@dataclass(frozen=True)
class Search:
    """Candidates of one kind, made try by try until ``keep`` of them are converted or ``tries`` run out."""

    translator: Translator
    kind: Kind
    images: Images
    probe: Frozen
    tries: int
    keep: int

    def block(self, pair: tuple[int, int], numbers: Int[np.ndarray, " N"], rows: slice) -> Found:
        """Search for the images ``numbers[rows]`` of a pair (source, target)."""
        target = pair[1]
        x = torch.from_numpy(self.images.signed(numbers[rows]))
        references = self.images.split("train", target)
        count, classes = len(x), len(self.images.classes)
        tries = np.full((count, self.tries, classes), np.nan, np.float32)
        origins = np.zeros((count, self.tries), np.int64)
        generated = np.zeros((count, self.keep, *x.shape[1:]), np.float32)
        slots = np.full((count, self.keep), -1)
        for attempt in range(self.tries):
            left = np.flatnonzero(taken_for(tries, target).sum(1) < self.keep)
            if not left.size:
                break
            origins[:, attempt] = self.translator.origins(self.kind, pair, attempt, len(numbers), references)[rows]
            made = self.translator.translate(self.kind, x[left], origins[left, attempt], target, self.images)
            tries[left, attempt] = self.probe.scores(made).cpu().numpy()
            for row, image in zip(left, made.cpu().numpy(), strict=True):
                wanted = best(tries[row], target, self.keep)
                if attempt in wanted:
                    free = int(np.flatnonzero(~np.isin(slots[row], wanted))[0])
                    generated[row, free], slots[row, free] = image, attempt
        order = np.stack([best(one, target, self.keep) for one in tries])
        place = np.stack([[list(slot).index(one) for one in wanted] for slot, wanted in zip(slots, order, strict=True)])
        each = np.arange(count)[:, None]
        kept = tries[each, order]
        return Found(generated[each, place], kept, taken_for(kept, target), origins[each, order], tries)
