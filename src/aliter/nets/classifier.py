"""What a config can name as a classifier."""

from typing import Annotated

from pydantic import Field

from aliter.nets.own import Own
from aliter.nets.pool_cnn import MLP, PoolCNN
from aliter.nets.small_cnn import SmallCNN
from aliter.nets.timm import Timm

Classifier = Annotated[SmallCNN | PoolCNN | MLP | Timm | Own, Field(discriminator="kind")]
"""Those that can be built, and one that is loaded."""
