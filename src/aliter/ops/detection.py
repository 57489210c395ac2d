"""How well boxes that were found agree with those that are there, by the distance of their centres and by overlap."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

Corners = Float[np.ndarray, "N 4"]
"""Left, top, right, bottom."""


@dataclass(frozen=True)
class Counts:
    """Objects found, invented and missed."""

    found: int
    invented: int
    missed: int

    @property
    def precision(self) -> float:
        """Share of what was found that is there; NaN if nothing was."""
        return self.found / (self.found + self.invented) if self.found + self.invented else float("nan")

    @property
    def recall(self) -> float:
        """Share of what is there that was found; NaN if nothing is."""
        return self.found / (self.found + self.missed) if self.found + self.missed else float("nan")

    @property
    def f1(self) -> float:
        """Harmonic mean of both; NaN if nothing is there and nothing was found."""
        total = 2 * self.found + self.invented + self.missed
        return 2 * self.found / total if total else float("nan")

    def __add__(self, other: "Counts") -> "Counts":
        """Return the counts of both."""
        return Counts(self.found + other.found, self.invented + other.invented, self.missed + other.missed)


def centres(corners: Float[np.ndarray, "N 4"]) -> Float[np.ndarray, "N 2"]:
    """Return the middle of each box."""
    return np.asarray((corners[:, :2] + corners[:, 2:]) / 2)


def iou(a: Float[np.ndarray, "N 4"], b: Float[np.ndarray, "M 4"]) -> Float[np.ndarray, "N M"]:
    """Return the area that each box of ``a`` shares with each of ``b``, over the area of both."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    sizes = [np.clip(one[:, 2:] - one[:, :2], 0, None).prod(-1) for one in (a, b)]
    whole = sizes[0][:, None] + sizes[1][None] - shared
    return np.asarray(np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0))


def nearness(a: Float[np.ndarray, "N 4"], b: Float[np.ndarray, "M 4"]) -> Float[np.ndarray, "N M"]:
    """Return minus the distance of the centres of ``a`` and ``b``."""
    difference = centres(a)[:, None] - centres(b)[None]
    found: np.ndarray = -np.hypot(difference[..., 0], difference[..., 1])
    return found


def matched(
    closeness: Float[np.ndarray, "N M"], scores: Float[np.ndarray, " N"], least: float | int
) -> Int[np.ndarray, " N"]:
    """Return for each found object the true one that it stands for, or -1.

    From the highest score on, each takes the closest true object that is still free and at least ``least`` close.
    """
    taken = np.zeros(closeness.shape[1], bool)
    match = np.full(len(closeness), -1)
    for row in np.argsort(-scores, kind="stable"):
        free = np.where(taken, -np.inf, closeness[row]) if closeness.shape[1] else np.zeros(0)
        if free.size and free.max() >= least:
            match[row] = int(free.argmax())
            taken[match[row]] = True
    return match


def counted(match: Int[np.ndarray, " N"], there: int) -> Counts:
    """Return what a match of found objects with ``there`` true ones comes to."""
    found = int((match >= 0).sum())
    return Counts(found, len(match) - found, there - found)


def distinct(
    corners: Float[np.ndarray, "N 4"],
    scores: Float[np.ndarray, " N"],
    source: Int[np.ndarray, " N"],
    reach: float | int,
) -> Int[np.ndarray, " M"]:
    """Return the rows that are left, in order, if of two whose centres are within ``reach`` the surer one stays.

    Only those of different ``source``, as overlapping tiles, hide each other.
    """
    near = nearness(corners, corners) >= -reach
    kept: list[int] = []
    for row in np.argsort(-scores, kind="stable").tolist():
        if not any(near[row, other] and source[row] != source[other] for other in kept):
            kept.append(row)
    return np.array(sorted(kept), np.int64)


def average_precision(scores: Float[np.ndarray, " N"], right: Bool[np.ndarray, " N"], there: int) -> float:
    """Return the area under precision over recall, precision made to fall; NaN if nothing is there.

    References
    ----------
    Everingham et al. 2010, The Pascal visual object classes challenge, section 4.2, at every recall.
    """
    if not there:
        return float("nan")
    hits = np.cumsum(right[np.argsort(-scores, kind="stable")])
    precision = hits / np.arange(1, len(hits) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    return float((falling * np.diff(hits, prepend=0)).sum() / there)


def froc(
    scores: Float[np.ndarray, " N"], right: Bool[np.ndarray, " N"], there: int, images: int
) -> Float[np.ndarray, "T 2"]:
    """Return false alarms an image, and recall, as the threshold falls past each score.

    References
    ----------
    Bunch et al. 1978, A free-response approach to the measurement and characterization of radiographic observer
    performance.
    """
    order = np.argsort(-scores, kind="stable")
    hits, misses = np.cumsum(right[order]), np.cumsum(~right[order])
    return np.stack([np.r_[0, misses] / max(images, 1), np.r_[0, hits] / max(there, 1)], axis=1)


def best_threshold(scores: Float[np.ndarray, " N"], right: Bool[np.ndarray, " N"], there: int) -> tuple[float, float]:
    """Return the score from which on objects are best counted as found, and the F1 there; the highest wins ties."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order])
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + there) if len(hits) else np.zeros(0)
    # A threshold takes all of equal score.
    last = np.r_[scores[order][1:] < scores[order][:-1], True] if len(hits) else np.zeros(0, bool)
    f1 = np.where(last, f1, -1.0)
    if not f1.size:
        return 0.5, 0.0
    at = int(f1.argmax())
    return float(scores[order][at]), float(f1[at])
