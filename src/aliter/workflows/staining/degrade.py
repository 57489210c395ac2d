"""Worsen what is seen, step by step, and see where predictions stop being right."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Float64, Integer
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from scipy.ndimage import gaussian_filter

from aliter.core.spec import Spec
from aliter.core.walk import Walk
from aliter.data.run import Figure, Run
from aliter.data.simulate import Phase
from aliter.methods.segment.otsu import Otsu
from aliter.ops.intensity import pearson
from aliter.ops.labels import average_precision
from aliter.ops.stats import bootstrap_mean
from aliter.workflows.staining.pairs import Pairs
from aliter.workflows.staining.predict import METHODS, Stainer, stainer
from aliter.workflows.staining.scores import over_fields

if TYPE_CHECKING:
    from aliter.workflows.staining import Config

SCORES = ("PCC", "AP50")
_ENOUGH = 0.9
"""Share of the undegraded AP50 that is still called valid."""
_Image = Integer[np.ndarray, "C H W"] | Float32[np.ndarray, "C H W"]
See = Callable[[int, float], _Image]
"""What is seen of a field at a setting, as it would be stored."""


class Degrading(Spec):
    """By what images without stain are worsened; what would need another microscope only where they are simulated."""

    fields: PositiveInt = 4
    """Fields to test that are worsened."""
    blur_px: tuple[NonNegativeFloat, ...] = (0.0, 1.0, 2.0, 5.0)
    gain: tuple[PositiveFloat, ...] = (1.0, 0.1, 10.0)
    defocus_um: tuple[NonNegativeFloat, ...] = (0.0, 2.0, 4.0, 8.0)


def walks(config: "Config", run: Run, pairs: Pairs) -> list[Figure]:
    """Write how scores fall along each way of worsening; return how far each method is valid, and single tests."""
    choice, level = config.doubt.degrade, float(run.load("level")[0])
    numbers = pairs.held[pairs.tested][: choice.fields].tolist()
    figures = []
    for name in METHODS:
        judge = _Judge(pairs, stainer(config, run, pairs, name), config.evaluate.segmenter, level, numbers)
        for knob, (see, settings) in _ways(choice, pairs).items():
            walk = judge.walk(see, settings)
            table = np.concatenate([walk.setting[:, None], walk.score], 1)
            run.save(f"walks/{knob}/{name}", table, ("setting", "score"))
            figures.append(_validity(walk, knob, name, len(numbers)))
        polarity = judge.scores(lambda number, _: _inverted(pairs, number), 0.0)
        figures += [
            Figure(f"{metric} with polarity inverted, {name}", float(value), len(numbers))
            for metric, value in zip(SCORES, polarity, strict=True)
        ]
        if bare := _bare(pairs, numbers):
            counts = [float(judge.objects(one).max()) for one in bare]
            figures.append(over_fields(f"objects in a field without cells, {name}", counts))
    return figures


class _Judge:
    def __init__(self, pairs: Pairs, stain: Stainer, segmenter: Otsu, level: float, numbers: list[int]):
        self.pairs, self.stain, self.segmenter, self.level, self.numbers = pairs, stain, segmenter, level, numbers

    def objects(self, seen: _Image) -> Integer[np.ndarray, "H W"]:
        return self.segmenter(self.stain(self.pairs.standardised(seen), None)[0], self.level)

    def scores(self, see: See, setting: float) -> Float64[np.ndarray, " K"]:
        rows = []
        for number in self.numbers:
            image = self.stain(self.pairs.standardised(see(number, setting)), None)[0]
            precision = average_precision(self.pairs.objects(number), self.segmenter(image, self.level), [0.5])
            rows.append((pearson(self.pairs.stain(number)[0], image), float(precision[0])))
        return np.array([bootstrap_mean(list(column))[0] for column in zip(*rows, strict=True)])

    def walk(self, see: See, settings: tuple[float, ...]) -> Walk:
        """Turn one knob from where nothing is worsened."""
        origin = self.pairs.standardised(see(self.numbers[0], settings[0]))
        score = np.stack([self.scores(see, setting) for setting in settings])
        return Walk(np.array(settings), np.arange(len(settings), dtype=float), score, origin, None)


def _ways(choice: Degrading, pairs: Pairs) -> Mapping[str, tuple[See, tuple[float, ...]]]:
    def plain(number: int) -> Float32[np.ndarray, "C H W"]:
        return pairs.fields.stored(number)[list(pairs.source)].astype(np.float32)

    def blurred(number: int, width: float) -> _Image:
        return np.asarray(gaussian_filter(plain(number), (0, width, width))) if width else plain(number)

    ways: dict[str, tuple[See, tuple[float, ...]]] = {
        "blur_px": (blurred, choice.blur_px),
        "gain": (lambda number, gain: np.asarray(gain * plain(number), np.float32), choice.gain),
    }
    if (simulation := _simulation(pairs)) is not None:

        def defocused(number: int, defocus: float) -> _Image:
            other = simulation.model_copy(update={"defocus_um": simulation.defocus_um + defocus})
            return other.draw(number).image[list(pairs.source)]

        ways["defocus_um"] = (defocused, choice.defocus_um)
    return ways


def _inverted(pairs: Pairs, number: int) -> _Image:
    """Return a field with bright and dark exchanged about the mean where it is learned from."""
    mean = pairs.statistics[list(pairs.source), 0][:, None, None]
    return np.asarray(2 * mean - pairs.fields.stored(number)[list(pairs.source)], np.float32)


def _simulation(pairs: Pairs) -> Phase | None:
    """Return what drew the fields, if it is known."""
    source = pairs.fields.source
    return Phase.model_validate(source) if source.get("simulate") == "phase" else None


def _bare(pairs: Pairs, numbers: list[int]) -> list[_Image]:
    """Return fields without cells: ``numbers`` drawn for the purpose, else those to test that have no object."""
    if (simulation := _simulation(pairs)) is not None:
        without = simulation.model_copy(update={"empty": 1.0})
        return [without.draw(number).image[list(pairs.source)] for number in numbers]
    tested = pairs.held[pairs.tested].tolist()
    return [pairs.fields.stored(one)[list(pairs.source)] for one in tested if not pairs.objects(one).any()]


def _validity(walk: Walk, knob: str, name: str, count: int) -> Figure:
    """Return the last setting up to which all keep most of the score; NaN if there is none to keep."""
    scores = walk.score[:, SCORES.index("AP50")]
    kept = scores >= _ENOUGH * scores[0]
    last = len(kept) if kept.all() else int(np.argmin(kept))
    valid = float(walk.setting[last - 1]) if scores[0] > 0 else float("nan")
    said = ", ".join(f"{setting:g}: {score:.2f}" for setting, score in zip(walk.setting, scores, strict=True))
    return Figure(f"valid up to, {knob}, {name}", valid, count, note=f"AP50 at {said}")
