from pathlib import Path

import torch
from torch import nn

from aliter.core.batch import Batch
from aliter.core.spec import Spec
from aliter.data.ledger import Key
from aliter.data.run import Run
from aliter.methods.objective.regress import Regress
from aliter.train.fit import Game, fit
from aliter.train.plan import Fall, Fit


class Settings(Spec):
    workflow: str = "none"


def learned(path: Path, steps: int, fall: Fall | None) -> torch.Tensor:
    """Return the weight of a network after so many steps."""
    net = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.ones_(net.weight)
    x = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))

    def draw(seed: int, step: int, size: int) -> Batch:
        return Batch(step, ("a", "b"), seed, {"x": x, "stain": 3 * x})

    run = Run(path, Settings())
    path.mkdir()
    with run.stage("fit", Key("a")):
        fit(Game(Regress(), {"regressor": net}, draw), Fit(steps=steps, size=2, rate=0.1, fall=fall), run, "net")
    return net.weight.detach().flatten()[0]


def test_a_rate_that_has_fallen_to_nothing_changes_nothing(tmp_path: Path) -> None:
    fall = Fall(after=2, over=2)
    weights = [float(learned(tmp_path / str(steps), steps, fall)) for steps in (3, 4, 5, 8)]
    assert weights[0] != weights[1]
    assert weights[1] == weights[2] == weights[3]
    assert float(learned(tmp_path / "plain", 3, None)) == weights[0]
    assert float(learned(tmp_path / "more", 4, None)) != weights[1]
