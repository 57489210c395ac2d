"""What makes objects of voxels: classes from features, and objects from classes."""

from aliter.methods.segment.affinity_watershed import AffinityWatershed
from aliter.methods.segment.forest import Forest
from aliter.methods.segment.otsu import Otsu
from aliter.methods.segment.watershed import Watershed

__all__ = ["AffinityWatershed", "Forest", "Otsu", "Watershed"]
