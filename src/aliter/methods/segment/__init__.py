"""What makes objects of voxels: classes from features, and objects from classes."""

from aliter.methods.segment.forest import Forest
from aliter.methods.segment.watershed import Watershed

__all__ = ["Forest", "Watershed"]
