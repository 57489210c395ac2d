"""Learn classes, or affinities, from points."""

from collections.abc import Mapping
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from aliter.core.batch import Batch
from aliter.core.objective import Turn
from aliter.core.spec import Spec
from aliter.ops.points import rows_at

NOT_SAID = -1
"""Class of a point that fills up a batch and says nothing."""


class SparseHead(Spec):
    """Cross entropy of a head on embeddings that stay as they are.

    A batch holds ``x`` (B, D), the embeddings at points, and ``y`` (B,), their classes.
    """

    kind: Literal["sparse_head"] = "sparse_head"

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The head moves."""
        return (Turn("head", ("head",)),)

    def losses(self, turn: Turn, nets: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        """Return the cross entropy."""
        return {"cross_entropy": F.cross_entropy(nets["head"](batch["x"]).float(), batch["y"])}


class AffinityHead(Spec):
    """Mean squared error of the affinities that a head gives for embeddings that stay as they are.

    A batch holds ``x`` (B, D), the embeddings at points, and ``affinity`` (B, n), whether each point belongs with its
    neighbour towards -1 along each axis, 0 or 1.

    References
    ----------
    Turaga et al. 2010, Convolutional networks can learn to generate affinity graphs, Neural Computation 22(2).
    """

    kind: Literal["affinity_head"] = "affinity_head"

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The head moves."""
        return (Turn("head", ("head",)),)

    def losses(self, turn: Turn, nets: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        """Return the mean squared error."""
        return {"squared error": F.mse_loss(nets["head"](batch["x"]).float().sigmoid(), batch["affinity"])}


class SparseNet(Spec):
    """Cross entropy at points of images, through encoder and head.

    A batch holds ``x`` (B, C, *space), ``at`` (B, P, n), indices of the embedding, and ``label`` (B, P), the class of
    each point, or -1.
    """

    kind: Literal["sparse_net"] = "sparse_net"

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Encoder and head move."""
        return (Turn("segment", ("encoder", "head")),)

    def losses(self, turn: Turn, nets: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        """Return the cross entropy."""
        maps = nets["encoder"](batch["x"])
        logits = nets["head"](rows_at(maps, batch["at"].to(maps.dtype)))
        return {
            "cross_entropy": F.cross_entropy(
                logits.flatten(0, 1).float(), batch["label"].flatten(), ignore_index=NOT_SAID
            )
        }
