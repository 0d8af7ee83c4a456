from dataclasses import replace

import numpy as np
import pytest

from retrieve.strain.record import Facet, Strain


@pytest.fixture
def strain_of():
    """Makes the strain of a ball, which rises along an axis by 1e-4 a voxel, on cubes of 2 nm."""

    def make(shape=(24, 26, 28), axis=0, members=3, **changes):
        places = np.stack(np.meshgrid(*(np.arange(n) - n // 2 for n in shape), indexing="ij"))
        radius = np.sqrt(np.sum(places**2, axis=0))
        amplitude = np.clip(8 - radius, 0, 1).astype(np.float32)
        support, bulk = radius < 7.5, radius < 5.5
        strain = 1e-4 * places[axis]
        maps = {"phase": 100 * strain, "displacement": -5 * strain, "strain": strain, "lattice": 4.08 * (1 + strain)}
        maps = {name: np.where(support, values, np.nan).astype(np.float32) for name, values in maps.items()}
        figure = {"value": 3.1e-4, "spread": 2e-6 if members > 1 else None}
        made = Strain(
            maps={"amplitude": amplitude, **maps},
            spread={"strain": np.full(shape, 2e-5, np.float32)} if members > 1 else {},
            support=support,
            surface=support & ~bulk,
            bulk=bulk,
            voxel_nm=2.0,
            axes=np.eye(3),
            frame="laboratory",
            q=np.array([26.7, 0, 0]),
            across=np.eye(3)[1:],
            hkl=(1, 1, 1),
            threshold=0.5,
            histogram=np.histogram(amplitude[radius < 9], 40),
            facets=(Facet((1.0, 0, 0), 120.0, 0.2, 0.1, (-1, 1, 1), 1.5, (14.0, 0, 0), 3e-4),),
            angles_deg=np.zeros((1, 1)),
            table={"bulk": {"strain_rms": figure}, "surface": {"strain_mean": figure}},
            facts={"size_nm": [30.0, 30.0, 30.0], "voxel_nm": 2.0, "strain_spread_in_bulk": None},
            notes=("positive strain is a larger spacing of the planes",),
            members=members,
            meta={"source": "scan.cxi"},
        )
        return replace(made, **changes)

    return make
