"""Reads arrays of numbers and text from an untrusted ``.npz`` file, safely, and makes arrays read-only.

An entry is read only if it is not compressed, holds no Python object, and declares exactly as many values as
it has bytes for. Without the last rule a header of a few bytes could ask for terabytes of memory. Called
wherever a saved model is read.
"""

from __future__ import annotations

import io
import zipfile
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt

from pynomaly.errors import IntegrityError

__all__ = ["freeze_arrays", "read_arrays"]


def read_arrays(content: bytes, where: object) -> dict[str, npt.NDArray[Any]]:
    """Return all arrays of an ``.npz`` archive, by name.

    Parameters
    ----------
    content : bytes
        The whole file.
    where : object
        Name of the file in error messages.

    Raises
    ------
    IntegrityError
        If the content is not such an archive or is compressed, or if an entry is not an array, holds objects,
        or declares a size that differs from its bytes.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > len(content):
                raise ValueError("its entries are larger than the file")
            for entry in entries:
                _require_plain_array(archive, entry)
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (
        *(AttributeError, TypeError, ValueError, LookupError, OSError, EOFError, SyntaxError, TokenError),
        *(zipfile.BadZipFile, NotImplementedError, RuntimeError, MemoryError),
    ) as error:
        raise IntegrityError(f"{where} is damaged or holds objects: {error}") from error


def _require_plain_array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Raise ValueError unless the entry is an uncompressed array of plain values of the declared size."""
    if entry.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{entry.filename!r} is packed")
    with archive.open(entry) as file:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        elif version == (2, 0):
            shape, _, dtype = np.lib.format.read_array_header_2_0(file)
        else:
            raise ValueError(f"{entry.filename!r} has array format {version}")
        if dtype.hasobject:
            raise ValueError(f"{entry.filename!r} holds objects")
        values = 1
        for length in shape:
            values *= int(length)
        if min(shape, default=0) < 0 or values * dtype.itemsize != entry.file_size - file.tell():
            raise ValueError(f"{entry.filename!r} declares {shape} values of {dtype}, and has other bytes")


def freeze_arrays(state: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Return read-only copies of the arrays: scoring must not change them."""
    copies = {key: np.array(array, order="C") for key, array in state.items()}
    for array in copies.values():
        array.flags.writeable = False
    return copies
