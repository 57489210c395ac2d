"""Arrays as text that a page can carry: exact, deflated, readable by any browser without a canvas in between."""

import zlib
from base64 import b64encode
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Shaped, UInt8, UInt16

Depth = Literal[8, 16]
"""Bits per value."""
Mode = Literal["plain", "left", "first"]
"""What a value is counted from: zero, its left neighbour, or the same value of the first frame."""

_Levels = UInt8[np.ndarray, "*lead H W"] | UInt16[np.ndarray, "*lead H W"]
_DTYPES: dict[Depth, type[np.unsignedinteger]] = {8: np.uint8, 16: np.uint16}


def quantized(image: Float[np.ndarray, "*shape"], depth: Depth) -> Shaped[np.ndarray, "*shape"]:
    """Return ``image``, values in [0, 1], as whole levels of ``depth`` bits; what lies outside is clipped, NaN is 0."""
    top = (1 << depth) - 1
    finite = np.nan_to_num(np.asarray(image, np.float64), nan=0.0, posinf=1.0, neginf=0.0)
    return np.rint(np.clip(finite, 0, 1) * top).astype(_DTYPES[depth])


def packed_levels(levels: _Levels, first: _Levels | None) -> dict[str, str]:
    """Return ``levels`` as text, with the mode that says what they are counted from.

    The mode is the one that leaves the smallest residuals, so a hybrid costs little more than its mask. A residual
    r becomes 0, 1, 2, 3, ... for 0, -1, 1, -2, ...; of 16 bits, all high bytes come before all low ones.
    """
    guesses: dict[Mode, np.ndarray] = {"plain": np.zeros_like(levels), "left": np.zeros_like(levels)}
    guesses["left"][..., 1:] = levels[..., :-1]
    if first is not None:
        guesses["first"] = first
    residuals = {mode: _folded(levels - guess) for mode, guess in guesses.items()}
    mode = min(residuals, key=lambda mode: int(residuals[mode].sum(dtype=np.int64)))
    return {"mode": mode, "data": _text(_bytes(residuals[mode]))}


def packed_bits(mask: Bool[np.ndarray, "*lead H W"]) -> str:
    """Return ``mask`` as text: eight values a byte, the first in the highest bit."""
    return _text(np.packbits(np.asarray(mask, bool)).tobytes())


def packed_bytes(values: UInt8[np.ndarray, "C H W"]) -> str:
    """Return ``values`` as text."""
    return _text(np.ascontiguousarray(values, np.uint8).tobytes())


def _folded(residual: _Levels) -> _Levels:
    """Return residuals, taken around zero, as unsigned numbers that are small where they are."""
    if residual.dtype == np.uint8:
        narrow = residual.view(np.int8)
        return ((narrow << 1) ^ (narrow >> 7)).view(np.uint8)
    wide = residual.view(np.int16)
    return ((wide << 1) ^ (wide >> 15)).view(np.uint16)


def _bytes(values: _Levels) -> bytes:
    if values.dtype == np.uint8:
        return values.tobytes()
    return (values >> 8).astype(np.uint8).tobytes() + (values & 255).astype(np.uint8).tobytes()


def _text(raw: bytes) -> str:
    return b64encode(zlib.compress(raw, 6)).decode("ascii")
