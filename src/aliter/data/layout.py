"""How arrays lie in a store; ``docs/store.md`` is the specification."""

from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec

from aliter.core.errors import DataError, RunError
from aliter.data.multiscale import describe_array

VERSION = 1
"""Version of the layout, in the attributes of every root; newer ones are refused, older ones are read."""
ROWS = 64
"""Rows of a shard: blocks of work and writes are aligned to it."""

IMAGE = ("index", "channel", "y", "x")
TRIES = ("index", "batch", *IMAGE[1:])


def open_store(path: Path, mode: str = "r") -> zarr.Group:
    """Return the root group of the store at ``path``; with ``mode`` "a" it is made if need be.

    Raises
    ------
    DataError
        If there is none, it cannot be read, or its layout is newer than this version can read.
    """
    if mode == "r" and not (path / "zarr.json").is_file():
        raise DataError(f"{path}: expected a Zarr store, found none; see 'aliter convert'")
    try:
        root = zarr.open_group(path, mode="a" if mode == "a" else "r", zarr_format=3)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: expected a Zarr store, found one that cannot be read ({error})") from error
    if mode == "a" and "aliter" not in root.attrs:
        root.attrs["aliter"] = {"layout": VERSION}
    found = dict(root.attrs).get("aliter", {})
    version = found.get("layout", 0) if isinstance(found, dict) else 0
    if not isinstance(version, int) or version > VERSION:
        raise DataError(f"{path}: expected layout {VERSION} or older, found {version}; update aliter to read it")
    return root


def attributes(group: zarr.Group | zarr.Array[Any]) -> dict[str, Any]:
    """Return the attributes of ``group``, plain JSON values."""
    return {str(key): value for key, value in group.attrs.items()}


def create(
    root: zarr.Group,
    name: str,
    shape: tuple[int, ...],
    dtype: Any,
    axes: tuple[str, ...],
    tile: tuple[int, ...] | None = None,
) -> zarr.Array[Any]:
    """Make the array ``name`` in ``root``, replacing one of that name.

    With axes y and x a chunk is one image and a shard ``ROWS`` rows, and its group describes it as an image of
    OME-NGFF; else a chunk is ``ROWS`` rows. Where ``tile`` is
    given, a chunk is one tile of one row, and there are no shards.
    """
    describe_array(root, name, axes)
    if tile is not None:
        return _create(root, name, shape, dtype, axes, (tile, None))
    lead = min(axes.index(name) for name in ("channel", "z", "y") if name in axes) if "y" in axes else None
    if lead is None:
        return _create(
            root, name, shape, dtype, axes, ((min(ROWS, max(shape[0], 1)), *(max(n, 1) for n in shape[1:])), None)
        )
    return _create(root, name, shape, dtype, axes, ((*[1] * lead, *shape[lead:]), (ROWS, *shape[1:])))


def _create(
    root: zarr.Group,
    name: str,
    shape: tuple[int, ...],
    dtype: Any,
    axes: tuple[str, ...],
    parts: tuple[tuple[int, ...], tuple[int, ...] | None],
) -> zarr.Array[Any]:
    chunks, shards = parts
    return root.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=chunks,
        shards=shards,
        compressors=BloscCodec(cname="lz4", shuffle="bitshuffle"),
        dimension_names=axes,
        fill_value=np.nan if np.issubdtype(np.dtype(dtype), np.floating) else 0,
        overwrite=True,
    )


def array(root: zarr.Group, name: str) -> zarr.Array[Any]:
    """Return the array ``name``.

    Raises
    ------
    RunError
        If there is none; names what is there instead.
    """
    try:
        found = root[name]
    except KeyError:
        found = None
    if isinstance(found, zarr.Array):
        return found
    parent = root.get(name.rpartition("/")[0]) if "/" in name else root
    there = sorted((parent if isinstance(parent, zarr.Group) else root).keys())
    raise RunError(f"the store holds no array '{name}'; in its place there are: {', '.join(there) or 'none'}")


def axes_of(array: zarr.Array[Any]) -> tuple[str, ...]:
    """Return the names of the axes of ``array``; empty where it says none."""
    named: tuple[str | None, ...] = getattr(array.metadata, "dimension_names", None) or (None,) * array.ndim
    return tuple(name or "" for name in named)


def pack(texts: list[str]) -> np.ndarray:
    """Return ``texts`` as UTF-8 bytes, (N, L) uint8, padded by zeros: a type that every Zarr reader knows."""
    encoded = [text.encode() for text in texts]
    width = max((len(one) for one in encoded), default=1) or 1
    return np.frombuffer(b"".join(one.ljust(width, b"\0") for one in encoded), np.uint8).reshape(len(texts), width)


def unpack(packed: np.ndarray) -> list[str]:
    """Return the texts that ``pack`` packed."""
    return [bytes(row).rstrip(b"\0").decode() for row in packed]
