"""What a store says of images that were drawn."""

from aliter.data.images import Header
from aliter.data.simulate import Fictus, FictusVolume, Nuclei, Phase, Tissue
from aliter.data.simulate.cells import PIXEL_UM
from aliter.data.splits import draw_splits


def header_of(drawn: Fictus | FictusVolume | Nuclei | Phase | Tissue) -> Header:
    """Return what a store says of all that a simulator draws; a field or slide is a group of its own."""
    ids = tuple(tuple(f"{name}/{index:06d}" for index in range(drawn.count)) for name in drawn.classes)
    if isinstance(drawn, Fictus | FictusVolume):
        splits = tuple(draw_splits(drawn.count, drawn.seed, label) for label in range(len(ids)))
        groups: tuple[tuple[str, ...], ...] = ()
    else:
        splits, groups = (drawn.splits,), ids
    space = drawn.shape if isinstance(drawn, Nuclei) else (drawn.size, drawn.size)
    return Header(
        classes=drawn.classes,
        channels=drawn.channels,
        range=drawn.range,
        shape=(len(drawn.channels), *space),
        dtype="uint8" if isinstance(drawn, Tissue) else "uint16",
        ids=ids,
        splits=splits,
        groups=groups,
        source=drawn.model_dump(mode="json"),
        pixel_um=(PIXEL_UM, PIXEL_UM) if isinstance(drawn, Phase) else (),
    )
