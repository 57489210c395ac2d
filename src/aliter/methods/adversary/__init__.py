"""What discriminator and generator play for: each a frozen value that gives the terms of both sides.

``discriminate(critic, real, fake, rng)`` gives the discriminator's terms, ``generate(logits)`` the generator's, of the
discriminator's logits for generated images.
"""

from typing import Annotated

from pydantic import Field

from aliter.methods.adversary.hinge import HingeR1
from aliter.methods.adversary.non_saturating import NonSaturating
from aliter.methods.adversary.wasserstein import WassersteinGP

Adversary = Annotated[NonSaturating | HingeR1 | WassersteinGP, Field(discriminator="kind")]
"""What a config can name."""


def examples() -> tuple[Adversary, ...]:
    """Return one of each."""
    return (NonSaturating(), HingeR1(), WassersteinGP())
