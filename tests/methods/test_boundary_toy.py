"""Two Gaussians and a classifier whose boundary is known: step 1, then step 2, with what theory and practice say."""

from pathlib import Path
from statistics import median

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from aliter.core.batch import Batch
from aliter.core.rng import chance
from aliter.core.spec import Spec
from aliter.data.ledger import Key
from aliter.data.run import Run
from aliter.methods.objective.ambiguous import Ambiguous
from aliter.methods.objective.gan import GAN
from aliter.nets.blocks import initialise
from aliter.ops.frechet import frechet_distance, moments
from aliter.train.fit import Game, fit, recall
from aliter.train.plan import Fit

LATENT = 8
ALPHAS = (0.0, 1.0, 5.0, 25.0)


class Settings(Spec):
    workflow: str = "none"


class Known(nn.Module):
    """The logit of a classifier that looks at the first axis alone."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x[:, 0]


class Column(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0]


def layers(inner: int, outer: int) -> list[nn.Module]:
    return [nn.Linear(inner, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, outer)]


def real(rng: np.random.Generator, size: int) -> np.ndarray:
    rows = rng.standard_normal((size, 2))
    rows[:, 0] += rng.choice([-2.0, 2.0], size)
    return rows.astype(np.float32)


def draw(seed: int, step: int, size: int) -> Batch:
    rng = chance(seed, "toy", step)
    x, z = real(rng, size), rng.standard_normal((size, LATENT), np.float32)
    return Batch(step, tuple(map(str, range(size))), seed, {"x": torch.from_numpy(x), "z": torch.from_numpy(z)})


def plan(steps: int, seed: int) -> Fit:
    return Fit(
        steps=steps, size=256, rate=5e-4, betas=(0.5, 0.999), threads=1, seed=seed, log_every=1000, save_every=1000
    )


def measured(generator: nn.Module) -> tuple[float, float, float, float]:
    """Return confusion, share in the band, Frechet distance from the data, and spread along the boundary."""
    rng = chance(0, "judge")
    with torch.no_grad():
        rows = generator(torch.from_numpy(rng.standard_normal((20_000, LATENT), np.float32))).double().numpy()
    p = 1 / (1 + np.exp(-2 * rows[:, 0]))
    apart = frechet_distance(*moments(rows), *moments(real(rng, 20_000).astype(np.float64)))
    return float(np.abs(p - 0.5).mean()), float((np.abs(p - 0.5) <= 0.1).mean()), apart, float(rows[:, 1].std())


def test_the_closed_form_of_the_data() -> None:
    x = real(chance(0, "closed"), 200_000)[:, 0]
    p = 1 / (1 + np.exp(-2 * x.astype(np.float64)))
    assert float((np.abs(p - 0.5) <= 0.1).mean()) == pytest.approx(0.022340, abs=1e-3)
    assert float(np.abs(p - 0.5).mean()) == pytest.approx(0.439628, abs=1e-3)


@pytest.mark.slow
def test_more_weight_brings_samples_nearer_to_a_boundary_that_is_known(tmp_path: Path) -> None:
    found: dict[float, list[tuple[float, float, float, float]]] = {alpha: [] for alpha in ALPHAS}
    for seed in range(3):
        run = Run(tmp_path / str(seed), Settings())
        run.path.mkdir()
        with run.stage("toy", Key("toy")):
            for alpha in ALPHAS:
                nets: dict[str, nn.Module] = {
                    "generator": nn.Sequential(*layers(LATENT, 2)),
                    "discriminator": nn.Sequential(*layers(2, 1), Column()),
                }
                initialise(nets, seed)
                fit(Game(GAN(), nets, draw), plan(1500, seed), run, "first")
                recall(nets, run, "first")
                game = Game(Ambiguous(weight=alpha), {**nets, "classifier": Known()}, draw)
                fit(game, plan(1000, seed), run, f"second{alpha:g}")
                found[alpha].append(measured(nets["generator"].eval()))
    print({alpha: [tuple(round(value, 3) for value in one) for one in ones] for alpha, ones in found.items()})
    for confusion, inside, apart, _ in found[0.0]:
        assert 0.40 <= confusion <= 0.47
        assert inside < 0.05
        assert apart < 0.35
    medians = [median(one[0] for one in found[alpha]) for alpha in ALPHAS]
    assert medians == sorted(medians, reverse=True)
    assert len(set(medians)) == len(medians)
    assert medians[-1] <= 0.10
    assert median(one[1] for one in found[25.0]) >= 0.60
    assert min(one[3] for one in found[25.0]) >= 0.4
