"""The measured gold crystal: its file holds all that voxels need."""

import os
from pathlib import Path

import numpy as np
import pytest
from setups_at import by_xrayutilities

from retrieve.geometry.experiment import Experiment
from retrieve.geometry.space import q_steps, reflection, voxel_vectors
from retrieve.io.dataset_selection import parse_meta

SHAPE = (201, 256, 256)


@pytest.fixture
def gold():
    file = Path(os.environ.get("RETRIEVE_DATA", "")) / "aps34idc_s0054_raw_crop.npz"
    if not file.is_file():
        pytest.skip("the measured gold scan is not there")
    with np.load(file) as stored:
        return Experiment.from_meta(parse_meta(stored["meta"]))


@pytest.mark.data
def test_the_gold_scan_holds_its_geometry(gold):
    assert gold.missing() == ()
    found = reflection(gold, SHAPE)
    assert found.measured == pytest.approx(26.91, abs=0.005)
    assert found.length == pytest.approx(26.67, abs=0.005)
    assert "nominal: direct_beam" in found.notes[0]


@pytest.mark.data
def test_its_voxels_are_those_of_xrayutilities(gold):
    beam = (SHAPE[1] // 2, SHAPE[2] // 2)  # where the program takes it to be, since the file does not hold it
    q, steps = by_xrayutilities(gold.with_options(direct_beam=beam), SHAPE)
    assert reflection(gold, SHAPE).measured == pytest.approx(np.linalg.norm(q), rel=1e-3)
    voxels = 2 * np.pi * np.linalg.inv(steps).T / np.array(SHAPE)[:, None]
    for ours, theirs in zip((*q_steps(gold, SHAPE), *voxel_vectors(gold, SHAPE)), (*steps, *voxels), strict=True):
        assert np.linalg.norm(ours - theirs) < 1e-3 * np.linalg.norm(theirs)
