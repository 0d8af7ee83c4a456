"""How the strain of a crystal is measured."""

from __future__ import annotations

from dataclasses import dataclass

from ..plugins.options import option, validate

WINDOWS = ("none", "blackman", "gaussian", "tukey")
FRAMES = ("laboratory", "crystal")


@dataclass(frozen=True)
class Measure:
    """The choices between a phased object and its strain."""

    isosurface: float | None = option(
        None, "amplitude of the isosurface, as a share of the bulk's; none: half, where a sharp edge lies", gt=0, lt=1
    )
    layers: float = option(2.0, "thickness of the surface, in voxels; deeper voxels are the bulk", gt=0)
    apodise: str = option("none", "window on the pattern before the maps; it takes ripples and resolution", choices=WINDOWS)
    frame: str = option("laboratory", "axes of the maps: those of the laboratory, or Q along the first one", choices=FRAMES)
    voxel_nm: float | None = option(None, "edge of a voxel of the maps, nm; none: of the volume of the array's voxel", gt=0)
    refraction: float = option(0.0, "δ of the refractive index 1 − δ + iβ; its phase along both beams is removed", ge=0)
    absorption: float = option(0.0, "β of the refractive index 1 − δ + iβ; its loss along both beams is removed", ge=0)

    def __post_init__(self) -> None:
        validate(self)
