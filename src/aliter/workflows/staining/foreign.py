"""Predictions that were made elsewhere: a plate of OME-Zarr, or a folder of files, as another method."""

from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Float32

from aliter.core.errors import DataError, RequestError
from aliter.data import ngff, reader
from aliter.data.planes import Planes
from aliter.workflows.staining.pairs import Pairs

_PLANES = Planes(z="middle", t=0)


def foreign(path: Path, pairs: Pairs, number: int) -> Float32[np.ndarray, "S H W"]:
    """Return what lies at ``path`` for a field, in the units of the stains.

    A plate holds the field under its id, with channels named like the stains, or like them and ``_pred``. A folder
    holds a file of the field's name, itself or in folders named like the stains.

    Raises
    ------
    RequestError
        If there is nothing at ``path``.
    DataError
        If the field or a stain is missing, or of another size.
    """
    if not path.is_dir():
        raise RequestError(f"{path}: expected a folder or a plate with predictions, found none; check predict.others")
    id_ = pairs.fields.ids[number]
    found = _of_plate(path, pairs, id_) if ngff.is_zarr(path) else _of_folder(path, pairs, id_)
    if found.shape != (len(pairs.target), *pairs.shape):
        expected = (len(pairs.target), *pairs.shape)
        raise DataError(f"{path}: expected a prediction of shape {expected} for {id_}, found {found.shape}")
    return found.astype(np.float32)


def _of_plate(path: Path, pairs: Pairs, id_: str) -> np.ndarray:
    if not ngff.is_zarr(path / id_):
        raise DataError(f"{path}: expected the field {id_}, found none; keep the names of wells and fields")
    names = ngff.describe_zarr(path / id_, _PLANES).channels
    places = []
    for stain in pairs.stains:
        known = [place for place, name in enumerate(names) if name in (stain, f"{stain}_pred")]
        if not known:
            raise DataError(f"{path / id_}: expected the channel '{stain}', found {', '.join(names)}")
        places.append(known[0])
    return np.asarray(reader.read(path / id_, _PLANES)[places])


def _of_folder(path: Path, pairs: Pairs, id_: str) -> np.ndarray:
    whole = [path / stain for stain in pairs.stains if (path / stain).is_dir()]
    folders = whole if len(whole) == len(pairs.stains) else [path]
    return np.concatenate([reader.read(_file(folder, id_), _PLANES) for folder in folders])


def _file(folder: Path, id_: str) -> Path:
    """Return the file of a field: under its id, or under the last part of it, whatever the format."""
    place = PurePosixPath(id_)
    for name in (place, PurePosixPath(place.name)):
        for ending in reader.FORMATS:
            if (folder / name.with_suffix(ending)).is_file():
                return folder / name.with_suffix(ending)
    raise DataError(f"{folder}: expected a file for the field {id_}, found none; keep the names of files")
