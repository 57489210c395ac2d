"""What is measured of one predicted field."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Integer

from aliter.data.run import Figure
from aliter.ops.instances import (
    best_overlaps,
    f1_scores,
    matched,
    mean_average_precision,
    panoptic_quality,
    splits_and_merges,
    symmetric_best_dice,
)
from aliter.ops.intensity import nrmse, pearson, psnr, ssim
from aliter.ops.labels import average_precision
from aliter.ops.spectrum import sharpness
from aliter.ops.stats import bootstrap_mean

PIXEL = (
    "PCC",
    "SSIM",
    "PSNR",
    "NRMSE",
    "PCC in cells",
    "SSIM, fitted",
    "PSNR, fitted",
    "sharpness",
)
"""Of one stain; ``fitted`` is after one gain and offset for all fields, from those to calibrate."""
INSTANCE = ("AP50", "AP70", "mAP", "F1", "PQ", "SBD", "splits", "merges", "invented", "missed")
_PARTNER = 0.1
"""Intersection over union below which an object has no partner."""
_Plane = Float32[np.ndarray, "H W"]
_Labels = Integer[np.ndarray, "H W"]


@dataclass(frozen=True)
class Fitted:
    """The gain and offset that bring all predictions of one stain closest to the real ones."""

    gain: float
    offset: float

    def __call__(self, image: _Plane) -> _Plane:
        """Return the prediction after them."""
        return np.asarray(self.gain * image + self.offset, np.float32)


def fitted(stain: Float32[np.ndarray, "N H W"], image: Float32[np.ndarray, "N H W"]) -> Fitted:
    """Return the least-squares gain and offset from ``image`` to ``stain``, over all fields at once."""
    a, b = image.astype(np.float64), stain.astype(np.float64)
    spread = a.var()
    gain = float(np.mean((a - a.mean()) * (b - b.mean())) / spread) if spread else 0.0
    return Fitted(gain, float(b.mean() - gain * a.mean()))


def pixel_scores(
    stain: _Plane, image: _Plane, data_range: float, inside: Bool[np.ndarray, "H W"], fit: Fitted
) -> dict[str, float]:
    """Return all of ``PIXEL``; ``data_range`` is that of the stain where it is learned from."""
    after = fit(image)
    values = (
        pearson(stain, image),
        ssim(stain, image, data_range),
        psnr(stain, image, data_range),
        nrmse(stain, image),
        pearson(stain[inside], image[inside]),
        ssim(stain, after, data_range),
        psnr(stain, after, data_range),
        sharpness(stain, image),
    )
    return dict(zip(PIXEL, values, strict=True))


def instance_scores(truth: _Labels, labels: _Labels) -> dict[str, float]:
    """Return all of ``INSTANCE``; the last four count objects."""
    precision = average_precision(truth, labels, [0.5, 0.7])
    split, merged = splits_and_merges(truth, labels)
    invented, missed = invented_and_missed(truth, labels)
    values = (
        float(precision[0]),
        float(precision[1]),
        mean_average_precision(truth, labels),
        float(f1_scores(truth, labels, [0.5])[0]),
        panoptic_quality(truth, labels),
        symmetric_best_dice(truth, labels),
        float(split),
        float(merged),
        float(len(invented)),
        float(len(missed)),
    )
    return dict(zip(INSTANCE, values, strict=True))


def invented_and_missed(truth: _Labels, labels: _Labels) -> tuple[list[int], list[int]]:
    """Return the labels that no true object overlaps, and the true objects that no label overlaps."""
    found = []
    for one, other in ((truth, labels), (labels, truth)):
        ids, best = best_overlaps(one, other)
        found.append([int(id_) for id_ in ids[best < _PARTNER]])
    return found[0], found[1]


def over_fields(words: str, values: Sequence[float], note: str = "") -> Figure:
    """Return the mean over fields, with its interval; fields are what is independent, pixels are not."""
    mean, low, high = bootstrap_mean(values)
    if np.isnan(low):
        return Figure(words, mean, len(values), note=note)
    return Figure(words, mean, len(values), low, high, note)


def cell_features(
    truth: _Labels, stain: _Plane, labels: _Labels, image: _Plane, dark: float
) -> Mapping[str, np.ndarray]:
    """Return area and light above ``dark`` of objects that were found, ``(pairs, 2)``: in truth, and as predicted."""
    ours, theirs = matched(truth, labels, 0.5)
    features = {}
    for name, real, drawn in (("area", None, None), ("light", stain, image)):
        sides = []
        for ids, objects, light in ((ours, truth, real), (theirs, labels, drawn)):
            weights = None if light is None else (light - dark).ravel().astype(np.float64)
            sums = np.bincount(objects.ravel().astype(np.int64), weights, int(objects.max()) + 1)
            sides.append(sums[ids.astype(np.int64)])
        features[name] = np.stack(sides, 1).astype(np.float64)
    return features
