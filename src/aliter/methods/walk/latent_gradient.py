"""Walk through the latents of a generator to the side of one class."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor

from aliter.core.spec import Spec
from aliter.core.walk import Walk


class LatentGradient(Spec):
    """Steps of one length along the gradient of the answer, from one latent, until the classifier is sure.

    ``t`` is the way gone in the latent space, ``setting`` the number of the step; scores are those of both classes.

    References
    ----------
    Goetschalckx et al. 2019, GANalyze: toward visual definitions of cognitive image properties, arXiv:1906.10112.
    """

    kind: Literal["latent_gradient"] = "latent_gradient"
    steps: PositiveInt = 16
    """Steps at most."""
    length: PositiveFloat = 0.25
    """Length of a step; latents are standard normal."""
    sure: PositiveFloat = 0.95
    """Probability at which it ends."""

    def __call__(
        self,
        generator: Callable[[Tensor], Tensor],
        between: Callable[[Tensor], Tensor],
        z: Float[Tensor, " L"],
        target: Literal[0, 1],
    ) -> Walk:
        """Return the walk from ``generator(z)`` to class ``target``; ``between`` gives logits of class 1 against 0."""
        frames, scores = [], []
        place, sign = z.detach().clone(), 1 if target == 1 else -1
        for step in range(self.steps + 1):
            here = place[None].requires_grad_(True)
            image = generator(here)
            logit = between(image)
            frames.append(image[0].detach().cpu().numpy())
            p = float(logit.detach().double().sigmoid())
            scores.append((1 - p, p))
            if step == self.steps or scores[-1][target] >= self.sure:
                break
            (gradient,) = torch.autograd.grad(sign * logit.sum(), here)
            norm = gradient[0].norm()
            if not norm > 0:
                break
            place = (place + self.length * gradient[0] / norm).detach()
        count = len(frames)
        number = np.arange(count, dtype=np.float64)
        return Walk(number, number * self.length, np.array(scores), frames[0], np.stack(frames))
