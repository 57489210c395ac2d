"""Whether a stated uncertainty is right: scaled on fields to calibrate, judged on fields to test."""

import numpy as np
from jaxtyping import Bool, Float64

from aliter.data.run import Figure, Run
from aliter.ops.calibration import (
    auroc,
    conformal_factor,
    gaussian_nll,
    sparsification,
    uncertainty_calibration_error,
)
from aliter.ops.instances import best_overlaps
from aliter.ops.stats import coverage, crps_gaussian, sigma_scaling
from aliter.workflows.staining.pairs import Pairs
from aliter.workflows.staining.scores import over_fields

ENSEMBLE = "ensemble"
"""Several regressions instead of one with values dropped: their disagreement is a doubt of its own."""
_GAUSSIAN = 1.959964
SHARES = np.linspace(0, 0.95, 20)
"""Shares of pixels that are left out, the most uncertain first."""
LEVELS = np.linspace(0.05, 0.95, 19)
"""Shares of pixels that intervals are to cover."""
_INVENTED = 0.1


def point_of(name: str) -> str:
    """Return whose prediction it is that ``name`` doubts."""
    return "regression" if name == ENSEMBLE else name


class _Told:
    """What one method says of some fields, and what is true, for the first stain."""

    def __init__(self, run: Run, pairs: Pairs, name: str, rows: Bool[np.ndarray, " N"]):
        self.numbers = pairs.held[rows].tolist()
        self.y = np.stack([pairs.stain(number)[0] for number in self.numbers]).astype(np.float64)
        self.mean, self.sd = (
            np.asarray(run.load(f"doubt/{name}/{what}")[rows][:, 0], np.float64) for what in ("mean", "sd")
        )
        self.inside = np.stack([pairs.foreground(number) for number in self.numbers])

    @property
    def z(self) -> Float64[np.ndarray, "N H W"]:
        """How many deviations off each pixel is."""
        found: Float64[np.ndarray, "N H W"] = np.abs(self.y - self.mean) / self.sd
        return found


def calibrated(error: float, run: Run, pairs: Pairs, name: str) -> list[Figure]:
    """Return what calibration says of a method; write its curves."""
    held, test = (_Told(run, pairs, name, rows) for rows in (~pairs.tested, pairs.tested))
    asked = f"{100 * (1 - error):g} %"
    scale = sigma_scaling(held.y, held.mean, held.sd)
    factor = conformal_factor(held.z.ravel(), error)
    run.save(f"calibration/{name}/factors", np.array([scale, factor]), ("factor",))
    _write_curves(run, name, held, test, scale)
    said = [
        _covering(test, f"coverage of 95 %, raw, {name}", _GAUSSIAN),
        _covering(test, f"coverage of 95 %, scaled, {name}", _GAUSSIAN * scale),
        _covering(test, f"coverage of {asked}, conformal, {name}", factor),
        _covering(test, f"coverage of {asked}, conformal, in cells, {name}", factor, test.inside),
        Figure(f"sigma scaling, {name}", scale, len(held.y), note="from fields to calibrate"),
        Figure(f"conformal factor, {name}", factor, len(held.y), note="from fields to calibrate"),
    ]
    for words, times in (("raw", 1.0), ("scaled", scale)):
        sd = times * test.sd
        crps = [float(crps_gaussian(*one).mean()) for one in zip(test.y, test.mean, sd, strict=True)]
        said += [over_fields(f"CRPS, {words}, {name}", crps)]
        said += [Figure(f"negative log-likelihood, {words}, {name}", gaussian_nll(test.y, test.mean, sd), len(test.y))]
        gap = uncertainty_calibration_error(test.y, test.mean, sd)
        said += [Figure(f"uncertainty calibration error, {words}, {name}", gap, len(test.y))]
    return [*said, *_against_oracle(pairs, test, name, scale), *_inventions(run, pairs, name)]


def _covering(told: _Told, words: str, factor: float, where: np.ndarray | None = None) -> Figure:
    """Return the share of pixels within so many deviations, over fields."""
    inside = np.ones_like(told.inside) if where is None else where
    shares = [
        coverage(y[part], mean[part], sd[part], factor) if part.any() else float("nan")
        for y, mean, sd, part in zip(told.y, told.mean, told.sd, inside, strict=True)
    ]
    return over_fields(words, shares)


def _write_curves(run: Run, name: str, held: _Told, test: _Told, scale: float) -> None:
    """Write coverage against what was asked for, raw, scaled and conformal; and error against what is left out."""
    from scipy.special import ndtri

    z, scores = test.z.ravel(), held.z.ravel()
    factors = ndtri((1 + LEVELS) / 2)
    conformal = np.array([conformal_factor(scores, 1 - level) for level in LEVELS])
    covered = [[float((z <= one).mean()) for one in chosen] for chosen in (factors, scale * factors, conformal)]
    run.save(f"calibration/{name}/coverage", np.array([LEVELS, *covered]).T, ("level", "kind"))
    error = np.abs(test.y - test.mean).ravel()
    told = [sparsification(error, by, SHARES) for by in (test.sd.ravel(), error)]
    run.save(f"calibration/{name}/sparsification", np.stack([SHARES, *told], 1), ("share", "kind"))


def _against_oracle(pairs: Pairs, test: _Told, name: str, scale: float) -> list[Figure]:
    """Return how the scaled deviation compares with the known one."""
    if not pairs.oracle:
        return []
    known = np.sqrt(np.stack([pairs.known("variance", number)[0] for number in test.numbers])).astype(np.float64)
    alike = [float(np.corrcoef(a.ravel(), b.ravel())[0, 1]) for a, b in zip(known, test.sd, strict=True)]
    ratios = [float(np.sqrt(np.mean((scale * b) ** 2) / np.mean(a**2))) for a, b in zip(known, test.sd, strict=True)]
    raw = [one / scale for one in ratios]
    mean = np.stack([pairs.known("mean", number)[0] for number in test.numbers])
    truth = [coverage(*one, _GAUSSIAN) for one in zip(test.y, mean, known, strict=True)]
    return [
        over_fields(f"correlation of deviation with the known one, {name}", alike),
        over_fields(f"deviation over the known one, raw, {name}", raw, "root of mean variances"),
        over_fields(f"deviation over the known one, scaled, {name}", ratios, "root of mean variances"),
        *([over_fields("coverage of 95 %, oracle", truth)] if name == "regression" else []),
    ]


def _inventions(run: Run, pairs: Pairs, name: str) -> list[Figure]:
    """Return how well doubt tells objects that are invented from others."""
    objects = run.load(f"objects/{point_of(name)}")
    presence, variation = (run.load(f"doubt/{name}/{what}")[pairs.tested] for what in ("presence", "cv"))
    invented: list[np.ndarray] = []
    absent: list[np.ndarray] = []
    varying: list[np.ndarray] = []
    for row, number in enumerate(pairs.held[pairs.tested].tolist()):
        ids, best = best_overlaps(pairs.objects(number), objects[row])
        counts = np.bincount(objects[row].ravel())
        for values, into in ((presence, absent), (variation, varying)):
            sums = np.bincount(objects[row].ravel(), values[row].ravel())
            into.append(sums[ids] / counts[ids])
        invented.append(best < _INVENTED)
    wrong = np.concatenate(invented)
    note = f"{int(wrong.sum())} of {len(wrong)} objects are invented"
    told = (("absence from draws", -np.concatenate(absent)), ("variation of light", np.concatenate(varying)))
    share = float(wrong.mean()) if len(wrong) else 0.0
    figures = [Figure(f"share of objects invented, {name}", share, len(invented), note=note)]
    if wrong.any():
        for words, score in told:
            area = auroc(score, wrong)
            figures.append(Figure(f"AUROC of {words} for invented objects, {name}", area, len(invented), note=note))
    return figures
