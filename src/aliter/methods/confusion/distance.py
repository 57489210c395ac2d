"""How far the answer is from undecided."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor

from aliter.core.spec import Spec
from aliter.ops.ambiguity import confusion_distance


class Distance(Spec):
    """The mean distance of the probability from one half.

    References
    ----------
    Cunha et al. 2023, GASTeN: generative adversarial stress test networks, section 3.
    """

    kind: Literal["distance"] = "distance"

    def __call__(self, logits: Float[Tensor, " B"]) -> Float[Tensor, ""]:
        """Return the term, in [0, 1/2]."""
        return confusion_distance(logits.float().sigmoid()).mean()
