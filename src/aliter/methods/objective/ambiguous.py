"""Learn to draw images like real ones that a classifier cannot decide."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

import torch
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from aliter.core.batch import Batch
from aliter.core.objective import Combine, Turn, total
from aliter.core.spec import Spec
from aliter.methods.adversary import Adversary
from aliter.methods.adversary.non_saturating import NonSaturating
from aliter.methods.confusion import Confusion
from aliter.methods.confusion.distance import Distance
from aliter.methods.objective.gan import GANRoles, discriminate
from aliter.ops.ambiguity import min_norm_weights


class Ambiguous(Spec):
    """The game of a GAN whose generator also wants a classifier, which stays as it is, to be undecided.

    A batch holds real images ``x`` and latents ``z``; ``classifier`` gives the logit of one class against the other.

    References
    ----------
    Cunha et al. 2023, GASTeN: generative adversarial stress test networks, section 3.
    """

    kind: Literal["ambiguous"] = "ambiguous"
    adversary: Adversary = NonSaturating()
    """What generator and discriminator play for."""
    confusion: Confusion = Distance()
    """What pulls to the boundary."""
    weight: NonNegativeFloat | Literal["mgda", "mgda_norm"] = 25.0
    """Weight of the confusion; ``mgda`` weighs both terms so that neither rises, ``mgda_norm`` finds these weights
    after dividing each gradient by its term and its length."""
    rise: NonNegativeInt = 0
    """Steps in which a weight that is a number rises evenly from 0, so that the discriminator can follow."""
    every: PositiveInt = 1
    """The generator moves at every so many moves of the discriminator."""

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Discriminator first, then generator."""
        combine: Combine = partial(min_norm, self.weight == "mgda_norm") if isinstance(self.weight, str) else total
        return (Turn("discriminate", ("discriminator",)), Turn("generate", ("generator",), self.every, combine))

    def losses(self, turn: Turn, nets: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        """Return the terms of one turn, weighted if the weight is a number."""
        roles = GANRoles(nets["generator"], nets["discriminator"])
        if turn.name == "discriminate":
            return discriminate(self.adversary, roles, batch)
        fake = roles.generator(batch["z"])
        return {
            "adversarial": self.adversary.generate(roles.discriminator(fake)),
            "confusion": self.weight_at(batch.step) * self.confusion(nets["classifier"](fake)),
        }

    def weight_at(self, step: int) -> float:
        """Return what the confusion is multiplied with at ``step``, from 0; 1 if the weight is found at each step."""
        return 1.0 if isinstance(self.weight, str) else self.weight * min(1.0, (step + 1) / max(1, self.rise))


def min_norm(normalise: bool, losses: Mapping[str, Tensor], parameters: Sequence[nn.Parameter]) -> Tensor:
    """Return the sum of two terms, weighted so that its gradient is as short as can be.

    With ``normalise`` the weights are those of the gradients divided by their terms and lengths.

    References
    ----------
    Sener and Koltun 2018, Multi-task learning as multi-objective optimization, arXiv:1810.04650, equation 4.
    """
    terms = list(losses.values())
    gradients = [
        torch.cat([one.flatten() for one in torch.autograd.grad(term, parameters, retain_graph=True)]) for term in terms
    ]
    if normalise:
        gradients = [
            one / (term.detach().abs() * one.norm()).clamp_min(1e-12)
            for term, one in zip(terms, gradients, strict=True)
        ]
    first, second = min_norm_weights(gradients[0], gradients[1])
    return first * terms[0] + second * terms[1]
