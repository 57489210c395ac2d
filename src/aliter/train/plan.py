"""How long and how fast to learn."""

from typing import Annotated, Literal

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from aliter.core.spec import Extends, Spec


class Pace(Spec):
    """How fast one network learns, where that differs from the plan."""

    rate: PositiveFloat | None = None
    betas: tuple[float, float] | None = None
    decay: NonNegativeFloat | None = None


class Fall(Spec):
    """A rate that stays for ``after`` epochs, and from then on falls by an equal part an epoch, to 0 in ``over``."""

    after: NonNegativeInt = 100
    over: PositiveInt = 100
    epoch: PositiveInt = 1
    """Steps of an epoch."""

    def factor(self, step: int) -> float:
        """Return by what the rate is multiplied at ``step``, from 0."""
        return max(0.0, 1 - max(0, step // self.epoch - self.after) / self.over)


class Average(Spec):
    """An exponential moving average of weights: decay min(``decay``, (1 + step) / (10 + step))."""

    nets: tuple[str, ...]
    """Networks that are averaged."""
    decay: float = 0.999


class Fit(Spec):
    """How long and how fast to learn, in which numbers, and what to keep of it."""

    steps: Annotated[PositiveInt, Extends]
    """Steps in all; raising it continues."""
    size: PositiveInt = 16
    """Images a step."""
    rate: PositiveFloat = 1e-4
    """Learning rate of Adam."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decays of Adam's two averages."""
    decay: NonNegativeFloat = 0.0
    """Weight decay, as L2."""
    fall: Fall | None = None
    """How rates fall in the end; None: never."""
    networks: dict[str, Pace] = {}
    """What differs for single networks."""
    ema: Average | None = None
    """Average of weights; what is judged and used, where it exists."""
    precision: Literal["32", "bf16"] = "32"
    """Numbers of the forward passes; weights and optimisers are always 32 bit."""
    channels_last: bool = False
    """Memory format of 2-D networks and batches: faster with bf16."""
    threads: PositiveInt | None = None
    """Threads of a CPU; equal results need an equal number. None: as torch would."""
    seed: int = 0
    log_every: PositiveInt = 10
    judge_every: PositiveInt = 100
    save_every: PositiveInt = 100
    keep: PositiveInt = 2
    """Checkpoints that stay."""
    best: tuple[str, ...] = ()
    """Figures of the judge that choose the best state, in order of weight; the highest wins."""
    patience: NonNegativeInt = 0
    """Judgements without a new best before it stops early; 0: never."""
