"""The order of files with frames, and frames that are missing among them."""

import numpy as np
import pytest
import tifffile

from retrieve.errors import InputError
from retrieve.prepare import Pulses, frames_of, prepare_pulses, prepare_scan
from retrieve.prepare.order import in_natural_order


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(scan, name="s_{}.tif"):
    files = [name.format(i) for i in range(len(scan))]
    for file, frame in zip(files, scan, strict=True):
        tifffile.imwrite(file, frame.astype(np.uint16))
    return files


def test_frames_come_in_the_order_of_their_numbers(here, peak):
    scan = peak((24, 32, 32))
    files = sorted(write(scan))
    assert files[1:3] == ["s_1.tif", "s_10.tif"]  # as a shell gives them
    with frames_of(files) as frames:
        got = np.concatenate([block for _, block in frames.blocks()])
        made = prepare_scan(frames)
    np.testing.assert_array_equal(got, scan)
    assert made.peak == (12, 16, 16)
    assert made.steps[0] == "24 files put in the order of the numbers in their names, from s_0.tif to s_23.tif"


def test_a_missing_number_is_refused_for_a_scan_and_not_for_a_train(here, peak):
    files = write(peak((12, 32, 32)))
    with (
        frames_of([f for f in files if f != "s_7.tif"]) as frames,
        pytest.raises(InputError, match="between s_6.tif and s_8.tif files are missing"),
    ):
        prepare_scan(frames)
    with frames_of([f for f in files if f != "s_7.tif"]) as frames:
        assert prepare_pulses(frames, Pulses(bin=1), check_axes=False).problems[0].shape == (32, 32)


@pytest.mark.parametrize("again", ["s_3.tif", "./s_3.tif"])
def test_a_file_given_twice_is_refused(here, peak, again):
    files = write(peak((6, 32, 32)))
    with pytest.raises(InputError, match="s_3.tif is given twice"), frames_of([*files, again]):
        pass


@pytest.mark.parametrize(("given", "ordered", "gap"), [
    (["s_10", "s_8", "s_9"], ["s_8", "s_9", "s_10"], ""),
    (["s_0", "s_10", "s_2", "s_4", "s_6", "s_8"], ["s_0", "s_2", "s_4", "s_6", "s_8", "s_10"], ""),  # every second frame
    (["s_1", "s_2", "s_3", "s_9"], ["s_1", "s_2", "s_3", "s_9"], "between s_3 and s_9"),
    (["s_01", "s_1"], ["s_01", "s_1"], "same number"),
    (["b_2", "a_1"], ["b_2", "a_1"], ""),  # other names: as given
    (["s55_1", "s54_10", "s54_9"], ["s54_9", "s54_10", "s55_1"], ""),
    (["th_0.5", "th_0.25", "th_-0.5"], ["th_0.5", "th_0.25", "th_-0.5"], ""),  # angles, no whole numbers
    (["one"], ["one"], ""),
    (["p_2/a", "p_10/a", "p_1/a"], ["p_1/a", "p_2/a", "p_10/a"], "between p_2/a"),
    (["2026.05/s_10", "2026.05/s_9"], ["2026.05/s_9", "2026.05/s_10"], ""),
])  # fmt: skip
def test_names(given, ordered, gap):
    made = in_natural_order([f"{name}.tif" for name in given])
    assert list(made.files) == [f"{name}.tif" for name in ordered]
    assert bool(made.note) == (given != ordered)
    assert gap.replace("s_3", "s_3.tif").replace("s_9", "s_9.tif").replace("p_2/a", "p_2/a.tif") in made.gap
    assert bool(gap) == bool(made.gap)
