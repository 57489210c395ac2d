"""Arrays as pictures in colours of their own: embeddings, labels, still images and moving ones."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from einops import rearrange
from jaxtyping import Float, Int, UInt8
from PIL import Image

_TURN = 0.618033988749895
"""The golden ratio: hues that follow each other in such steps never come close."""
_COLD = ((0, 0, 0), (26, 92, 190), (140, 205, 255))
_WARM = ((0, 0, 0), (200, 92, 10), (255, 214, 120))
"""Of what is below zero and above: the colours at 0, half way and at the end, as differences have them on the page."""


@dataclass(frozen=True)
class Picture:
    """A still or moving picture, as large as it is or larger."""

    file: bytes
    """A PNG or a GIF, made by ``png`` or ``gif``."""
    title: str
    caption: str = ""

    @property
    def address(self) -> str:
        """The picture itself, as an address that asks nothing of a network."""
        kind = "gif" if self.file.startswith(b"GIF") else "png"
        return f"data:image/{kind};base64,{b64encode(self.file).decode('ascii')}"


@dataclass(frozen=True)
class Pictures:
    """Pictures in a row that are read against each other: snapshots, prototypes, frames that move."""

    pictures: Sequence[Picture]


def png(picture: UInt8[np.ndarray, "H W"] | UInt8[np.ndarray, "H W 3"]) -> bytes:
    """Return a still picture, lossless."""
    file = BytesIO()
    Image.fromarray(picture).save(file, "PNG", optimize=True)
    return file.getvalue()


def gif(pictures: UInt8[np.ndarray, "T H W"] | UInt8[np.ndarray, "T H W 3"], seconds: float = 3.0) -> bytes:
    """Return pictures that follow each other, forth and back, once in ``seconds``, in one palette of 256 colours."""
    rows = rearrange(pictures, "t y x ... -> (t y) x ...")
    whole = Image.fromarray(rows).convert("RGB").quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    height = pictures.shape[1]
    stills = [whole.crop((0, top, whole.width, top + height)) for top in range(0, whole.height, height)]
    frames = [*stills, *stills[-2:0:-1]]
    file = BytesIO()
    pace = max(20, round(1000 * seconds / len(frames)))
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=pace, loop=0)
    return file.getvalue()


def grey(image: Float[np.ndarray, "*space"], window: tuple[float, float] = (0.0, 1.0)) -> UInt8[np.ndarray, "*space"]:
    """Return an image as brightness: ``window`` says what is black and what is white; it is never chosen by image."""
    low, high = window
    return np.rint(255 * np.clip((np.asarray(image, np.float64) - low) / (high - low), 0, 1)).astype(np.uint8)


def composite(x: Float[np.ndarray, "C H W"]) -> UInt8[np.ndarray, "H W 3"]:
    """Return an image in [-1, 1]: up to three channels as red, green and blue; one, or the mean of more, as grey."""
    levels = np.clip((x + 1) * 127.5, 0, 255).astype(np.uint8)
    if len(levels) in (2, 3):
        levels = np.concatenate([levels, np.zeros_like(levels[: 3 - len(levels)])])
    else:
        levels = np.repeat(levels.mean(0, keepdims=True).astype(np.uint8), 3, axis=0)
    return np.ascontiguousarray(rearrange(levels, "c y x -> y x c"))


def signed_colours(values: Float[np.ndarray, "*space"], reach: float) -> UInt8[np.ndarray, "*space 3"]:
    """Return a signed map as colours: black at 0, blue to white-blue at ``-reach``, orange to yellow at ``reach``."""
    share = np.clip(np.asarray(values, np.float64) / reach, -1, 1)
    stops = (-1, -0.5, 0, 0.5, 1)
    colours = np.array([*_COLD[::-1], *_WARM[1:]], np.float64).T
    return np.stack([np.rint(np.interp(share, stops, one)).astype(np.uint8) for one in colours], axis=-1)


def label_colours(labels: Int[np.ndarray, "*space"]) -> UInt8[np.ndarray, "*space 3"]:
    """Return a colour for each label: the same number has the same colour in every picture; 0 is black."""
    numbers, at = np.unique(labels, return_inverse=True)
    hue = (numbers * _TURN) % 1.0
    light = np.where(numbers % 2 == 0, 0.95, 0.75)
    waves = np.clip(np.abs((hue[:, None] + np.array([0.0, 2 / 3, 1 / 3])) % 1.0 * 6 - 3) - 1, 0, 1)
    colours = np.rint(255 * light[:, None] * (0.35 + 0.65 * waves)).astype(np.uint8)
    colours[numbers == 0] = 0
    painted: np.ndarray = colours[at.reshape(labels.shape)]
    return painted


def embedding_colours(
    embedding: Float[np.ndarray, "D *space"], basis: Float[np.ndarray, "D 3"], reach: float
) -> UInt8[np.ndarray, "*space 3"]:
    """Return an embedding as colours: along the three columns of ``basis``, from ``-reach`` to ``reach``.

    Images that share a basis and a reach can be compared; see ``colour_basis``.
    """
    along = np.tensordot(basis, np.asarray(embedding, np.float64), axes=(0, 0))
    return np.moveaxis(grey(along, (-reach, reach)), 0, -1)


def colour_basis(rows: Float[np.ndarray, "N D"]) -> tuple[Float[np.ndarray, "D 3"], float]:
    """Return the three directions along which ``rows`` vary most about zero, and how far nearly all of them reach."""
    _, _, directions = np.linalg.svd(np.asarray(rows, np.float64), full_matrices=False)
    basis = np.zeros((rows.shape[1], 3))
    basis[:, : min(3, len(directions))] = directions[:3].T
    signs = np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(3)])
    basis *= np.where(signs == 0, 1.0, signs)
    return basis, float(np.quantile(np.abs(rows @ basis), 0.99)) or 1.0
