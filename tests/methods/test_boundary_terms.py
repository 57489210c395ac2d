"""Terms of the boundary games: values worked out by hand."""

from math import log

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from aliter.core.batch import Batch
from aliter.methods.adversary.hinge import HingeR1
from aliter.methods.adversary.non_saturating import NonSaturating
from aliter.methods.adversary.wasserstein import WassersteinGP
from aliter.methods.confusion.distance import Distance
from aliter.methods.confusion.divergence import Divergence
from aliter.methods.confusion.gaussian import Gaussian
from aliter.methods.objective.ambiguous import Ambiguous, min_norm
from aliter.nets.pool_cnn import Surest
from aliter.ops.adversarial import gradient_penalty, lipschitz_penalty
from aliter.ops.ambiguity import surest

P = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64)
RNG = np.random.default_rng(0)


class Said(nn.Module):
    """A critic that says what it was told, whatever it is shown."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0]


class Column(nn.Module):
    """A classifier that says what stands in its column."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.number]


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def test_confusion_terms() -> None:
    logits = P.logit()
    assert float(Distance()(logits)) == pytest.approx(0.233333333, abs=1e-6)
    assert float(Gaussian(variance=0.01)(logits)) == pytest.approx(1.864081574, abs=1e-5)
    assert float(Divergence()(logits)) == pytest.approx(0.244656392, abs=1e-6)


def test_the_gradient_of_the_gaussian_fades_towards_the_boundary() -> None:
    p = P.clone().requires_grad_(True)
    Gaussian(variance=0.01)(p.logit()).backward()
    torch.testing.assert_close(p.grad, torch.tensor([-10, 0, 40 / 3], dtype=torch.float64), rtol=1e-5, atol=1e-5)


def test_the_divergence_pulls_from_both_sides_and_one_half_of_it_would_not() -> None:
    p = P.clone().requires_grad_(True)
    Divergence()(p.logit()).backward()
    assert p.grad is not None
    assert p.grad[0] < 0 < p.grad[2]
    one_sided = float((0.5 * (log(0.5) - P.log())).mean())
    assert one_sided == pytest.approx(0.054750678, abs=1e-9)


def test_the_generator_plays_for_both() -> None:
    fake = torch.tensor([0.3, 0.6, 0.8], dtype=torch.float64).logit()
    adversarial = float(NonSaturating().generate(fake))
    assert adversarial == pytest.approx(0.645980660, abs=1e-6)
    assert adversarial + 25 * float(Distance()(P.logit())) == pytest.approx(6.479313993, abs=1e-5)


def test_the_discriminator_of_the_non_saturating_game() -> None:
    terms = NonSaturating().discriminate(Said(), column(0.9, 0.7).logit(), column(0.2, 0.4).logit(), RNG)
    assert float(sum(terms.values())) == pytest.approx(0.598002317, abs=1e-6)


def test_hinge_and_wasserstein() -> None:
    real, fake = column(2, 0.5, -1), column(-2, 0.5, 0)
    terms = HingeR1(r1=0).discriminate(Said(), real, fake, RNG)
    assert float(sum(terms.values())) == pytest.approx(0.833333, abs=1e-6)
    assert float(HingeR1().generate(fake[:, 0])) == pytest.approx(0.5)
    terms = WassersteinGP(penalty=0).discriminate(Said(), real, fake, RNG)
    assert float(sum(terms.values())) == pytest.approx(-1, abs=1e-6)


def test_penalties_of_a_linear_critic() -> None:
    x = torch.randn(6, 4, requires_grad=True)
    weight = torch.ones(4)
    assert float(lipschitz_penalty(x @ weight, x)) == pytest.approx(1, abs=1e-6)
    assert 2 * float(gradient_penalty(x @ weight, x)) == pytest.approx(4, abs=1e-6)


@pytest.mark.parametrize("normalise", [False, True])
def test_along_the_shortest_sum_neither_term_rises(normalise: bool) -> None:
    place = nn.Parameter(torch.tensor([1.0, -0.5]))
    losses = {"a": (place - 2).square().sum(), "b": (place + torch.tensor([1.0, 0.0])).square().sum()}
    gradients = [torch.autograd.grad(one, [place], retain_graph=True)[0] for one in losses.values()]
    (step,) = torch.autograd.grad(min_norm(normalise, losses, [place]), [place])
    if not normalise:
        assert all(float(step @ one) >= float(step @ step) - 1e-6 for one in gradients)
        assert float(step.norm()) <= min(float(one.norm()) for one in gradients) + 1e-6
    share = torch.linalg.lstsq(torch.stack(gradients, 1), step[:, None]).solution[:, 0]
    assert float(share.sum()) == pytest.approx(1, abs=1e-5)
    assert float(share.min()) >= -1e-6


def test_weight_zero_is_the_plain_game() -> None:
    objective = Ambiguous(weight=0.0)
    nets = {"generator": nn.Linear(2, 3), "discriminator": Said(), "classifier": Said()}
    batch = Batch(0, ("a", "b"), 0, {"x": torch.randn(2, 3), "z": torch.randn(2, 2)})
    terms = objective.losses(objective.turns[1], nets, batch)
    assert float(terms["confusion"].detach()) == 0
    plain = NonSaturating().generate(nets["generator"](batch["z"])[:, 0])
    torch.testing.assert_close(terms["adversarial"], plain)


def test_the_weight_rises_evenly_and_stays() -> None:
    risen = Ambiguous(weight=8.0, rise=4)
    assert [risen.weight_at(step) for step in range(6)] == [2, 4, 6, 8, 8, 8]
    assert Ambiguous(weight=8.0).weight_at(0) == 8
    assert Ambiguous(weight="mgda", rise=4).weight_at(0) == 1
    nets = {"generator": nn.Linear(2, 3), "discriminator": Said(), "classifier": Said()}
    batches = [Batch(step, ("a", "b"), 0, {"x": torch.ones(2, 3), "z": torch.ones(2, 2)}) for step in (0, 3, 9)]
    first, last, later = (float(risen.losses(risen.turns[1], nets, one)["confusion"].detach()) for one in batches)
    assert 0 < 4 * first == pytest.approx(last)
    assert last == later


def test_of_several_classifiers_the_surest_answers_and_is_pulled() -> None:
    logits = torch.tensor([[0.5, -1.0], [-2.0, 1.5], [1.0, -1.0]], dtype=torch.float64).requires_grad_(True)
    answer = Surest([Column(0), Column(1)])(logits)
    assert answer.tolist() == [-1.0, -2.0, 1.0]
    Divergence()(answer).backward()
    assert logits.grad is not None
    assert (logits.grad != 0).tolist() == [[False, True], [True, False], [True, False]]
    p = logits.detach().sigmoid().numpy()
    np.testing.assert_allclose(surest(p), answer.detach().sigmoid().numpy())
