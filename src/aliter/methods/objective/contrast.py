"""Learn what stays the same between two views of one place, and tells it from other places."""

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor, nn

from aliter.core.batch import Batch
from aliter.core.objective import Turn
from aliter.core.spec import Spec
from aliter.ops.contrast import info_nce, variance_covariance
from aliter.ops.points import rows_at

TURNS = (Turn("contrast", ("encoder", "projection")),)


class Contrast(Spec):
    """Normalised, temperature-scaled cross entropy over matched points of two views.

    A batch holds views ``x`` and ``other`` (B, C, *space), points ``at`` and ``at_other`` (B, P, n), indices of the
    embedding that show the same place, those places in the field (``place``, B, P, n), and which field (``field``, B).

    References
    ----------
    Chen et al. 2020, SimCLR, arXiv:2002.05709. Pinheiro et al. 2020, VADeR, arXiv:2011.05499, for single pixels.
    """

    kind: Literal["contrast"] = "contrast"
    temperature: PositiveFloat = 0.05
    negatives: Literal["pair", "batch"] = "pair"
    """Where negatives come from: the same pair of views, as published, or all pairs of the batch."""
    ignore_px: NonNegativeFloat = 0.0
    """Points of one field that are closer than this are no negatives of each other."""

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Encoder and projection move."""
        return TURNS

    def losses(self, turn: Turn, nets: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        """Return the cross entropy."""
        a, b = (F.normalize(rows, dim=-1) for rows in projected(nets, batch))
        near = self._near(batch)
        if self.negatives == "batch":
            return {"info_nce": info_nce(a.flatten(0, 1), b.flatten(0, 1), self.temperature, near)}
        count = a.shape[1]
        parts = []
        for pair in range(len(a)):
            rows = slice(pair * count, (pair + 1) * count)
            parts.append(info_nce(a[pair], b[pair], self.temperature, None if near is None else near[rows, rows]))
        return {"info_nce": torch.stack(parts).mean()}

    def _near(self, batch: Batch) -> Bool[Tensor, "N N"] | None:
        """Return which points of the batch lie too close together to be told apart."""
        if not self.ignore_px:
            return None
        place = batch["place"].flatten(0, 1)
        field = batch["field"].repeat_interleave(batch["place"].shape[1])
        return (torch.cdist(place, place) < self.ignore_px) & (field[:, None] == field)


class Vicreg(Spec):
    """Matched points agree, every channel varies, no two channels say the same; nothing is a negative.

    A batch is that of ``Contrast``.

    References
    ----------
    Bardes et al. 2022, VICRegL: self-supervised learning of local visual features, arXiv:2210.01571, equation 2.
    """

    kind: Literal["vicreg"] = "vicreg"
    invariance: PositiveFloat = 25.0
    variance: PositiveFloat = 25.0
    covariance: PositiveFloat = 1.0

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Encoder and projection move."""
        return TURNS

    def losses(self, turn: Turn, nets: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        """Return the weighted terms."""
        a, b = (rows.flatten(0, 1) for rows in projected(nets, batch))
        terms = [variance_covariance(rows) for rows in (a, b)]
        return {
            "invariance": self.invariance * F.mse_loss(a, b),
            "variance": self.variance * (terms[0][0] + terms[1][0]) / 2,
            "covariance": self.covariance * (terms[0][1] + terms[1][1]),
        }


def projected(nets: Mapping[str, nn.Module], batch: Batch) -> tuple[Float[Tensor, "B P D"], Float[Tensor, "B P D"]]:
    """Return the projected embedding of both views at their points, in float32 or better."""
    maps = nets["encoder"](torch.cat([batch["x"], batch["other"]]))
    at = torch.cat([batch["at"], batch["at_other"]])
    rows = nets["projection"](rows_at(maps.float() if maps.dtype == torch.bfloat16 else maps, at))
    a, b = rows.to(torch.promote_types(rows.dtype, torch.float32)).chunk(2)
    return a, b
