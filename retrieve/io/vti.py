"""VTK image data (.vti): maps on an orthogonal grid, for ParaView and other programs with VTK."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..files import write_text

TYPES = {"f4": "Float32", "f8": "Float64", "u1": "UInt8", "i4": "Int32"}
"""VTK's names of the numbers that are written."""


def write_vti(
    path: str | Path, arrays: Mapping[str, NDArray], spacing: Sequence[float], origin: Sequence[float] = (0.0, 0.0, 0.0)
) -> Path:
    """Write arrays of one shape as the point data of a VTK image.

    Parameters
    ----------
    path : path-like
        The file, which ends in .vti by custom.
    arrays : mapping
        By name, (nx, ny, nz) each: the first axis is x. bool, float32, float64, uint8 or int32; NaN becomes 0.
    spacing : sequence of float
        Edges of a voxel along x, y and z.
    origin : sequence of float
        Position of the first voxel.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    InputError
        If arrays are no volumes of one shape, or the place cannot be written.

    References
    ----------
    VTK file formats, https://docs.vtk.org/en/latest/vtk_file_formats/vtkxml_file_format.html
    """
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 3:
        raise InputError(f"a VTK image needs volumes of one shape; the arrays have {', '.join(map(str, shapes)) or 'none'}")
    extent = " ".join(f"0 {n - 1}" for n in next(iter(shapes)))
    first = next(iter(arrays))
    body = "\n".join(_array(name, array) for name, array in arrays.items())
    numbers = [" ".join(f"{float(value):.9g}" for value in values) for values in (origin, spacing)]
    return write_text(
        path,
        '<?xml version="1.0"?>\n'
        '<VTKFile type="ImageData" version="1.0" byte_order="LittleEndian" header_type="UInt64" '
        'compressor="vtkZLibDataCompressor">\n'
        f'<ImageData WholeExtent="{extent}" Origin="{numbers[0]}" Spacing="{numbers[1]}">\n'
        f'<Piece Extent="{extent}">\n<PointData Scalars={quoteattr(first)}>\n{body}\n</PointData>\n<CellData/>\n</Piece>\n'
        "</ImageData>\n</VTKFile>\n",
    )


def _array(name: str, array: NDArray) -> str:
    """One array in a single zlib block: block count, block size, 0 for a whole last block, its compressed size, the block."""
    values = array.astype(np.uint8) if array.dtype == bool else np.nan_to_num(array) if array.dtype.kind == "f" else array
    kind = f"{values.dtype.kind}{values.dtype.itemsize}"
    if kind not in TYPES:
        raise InputError(f"array {name!r} of {array.dtype} cannot be written to a VTK image; give one of {', '.join(TYPES)}")
    raw = np.asfortranarray(values).astype(values.dtype.newbyteorder("<")).tobytes(order="F")
    packed = zlib.compress(raw, 6)
    head = np.array([1, len(raw), 0, len(packed)], "<u8").tobytes()
    text = (base64.b64encode(head) + base64.b64encode(packed)).decode("ascii")
    return f'<DataArray type="{TYPES[kind]}" Name={quoteattr(name)} NumberOfComponents="1" format="binary">\n{text}\n</DataArray>'
