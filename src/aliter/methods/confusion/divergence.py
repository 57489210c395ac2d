"""How much the answer says, in nats."""

from math import log
from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from aliter.core.spec import Spec


class Divergence(Spec):
    """The mean Kullback-Leibler divergence of the answer from a fair coin, of both classes: -1/2 ln 4p(1-p).

    One half of it alone, 1/2 ln 1/(2p), would pull every answer to 1.

    References
    ----------
    Kullback and Leibler 1951, On information and sufficiency, equation 2.4.
    """

    kind: Literal["divergence"] = "divergence"

    def __call__(self, logits: Float[Tensor, " B"]) -> Float[Tensor, ""]:
        """Return the term: 0 where all answers are undecided."""
        wide = logits.float()
        return -(F.logsigmoid(wide) + F.logsigmoid(-wide) + log(4)).mean() / 2
