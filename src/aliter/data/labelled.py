"""Sets of labelled images that are known by name: as a store, or one by one."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from aliter.data.digits import Digits
from aliter.data.images import Header, write_images
from aliter.data.published import CIFAR10, IDX

Labelled = Digits | IDX | CIFAR10
"""Each gives the images of its classes and their splits, all at once."""


def header(source: Labelled) -> Header:
    """Return what a store of ``source`` says of its images."""
    images = source.load()
    return Header(
        classes=tuple(map(str, source.classes)),
        channels=source.channels,
        range=source.range,
        shape=images[0].shape[1:],
        dtype="uint8",
        ids=tuple(
            tuple(f"{label}/{index:05d}" for index in range(len(one)))
            for label, one in zip(source.classes, images, strict=True)
        ),
        splits=source.splits(),
        source=source.model_dump(mode="json"),
    )


def draw(source: Labelled, label: int, index: int) -> UInt8[np.ndarray, "C H W"]:
    """Return one image of the class that is ``label`` in order."""
    return np.asarray(source.load()[label][index])


def write_labelled(source: Labelled, path: Path) -> None:
    """Write the images of ``source`` as a store at ``path``."""
    images = source.load()
    write_images(path, header(source), lambda label, start, stop: images[label][start:stop])
