import csv
import sys
import types

import pytest

from retrieve.errors import RetrieveError
from retrieve.files import replacing
from retrieve.priors.training.log import TrainingLog
from retrieve.priors.training.loop import lock_directory


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_in_order(tmp_path):
    log = tmp_path / "log.csv"
    journal = TrainingLog(log, 0)
    for n in (10, 20):
        journal.write({"objects": n, "loss": n / 7})
    assert [row["objects"] for row in rows(log)] == ["10", "20"]
    assert float(rows(log)[1]["loss"]) == 20 / 7


def test_a_log_that_ran_ahead_of_the_checkpoint_loses_its_end(tmp_path):
    log = tmp_path / "log.csv"
    journal = TrainingLog(log, 0)
    for n in (10, 20, 30):
        journal.write({"objects": n, "loss": 1.0})
    again = TrainingLog(log, 20)
    again.write({"objects": 25, "loss": 2.0})
    assert [row["objects"] for row in rows(log)] == ["10", "20", "25"]
    again.write({"objects": 25, "loss": 3.0})
    assert [row["loss"] for row in rows(log)] == ["1.0", "1.0", "3.0"]


def test_a_new_column_leaves_the_old_rows(tmp_path):
    log = tmp_path / "log.csv"
    TrainingLog(log, 0).write({"objects": 10, "loss": 1.0})
    TrainingLog(log, 10).write({"objects": 20, "loss": 2.0, "mse": 3.0})
    assert [row["mse"] for row in rows(log)] == ["", "3.0"]


@pytest.mark.parametrize("end", ["", "2", "x,2\n", "\x00", "20,1,2,3\n", "20\n\n"])
def test_a_damaged_log_keeps_what_can_be_read(tmp_path, end):
    log = tmp_path / "log.csv"
    log.write_text("objects,loss\n10,1\n" + end)
    TrainingLog(log, 15).write({"objects": 20, "loss": 2.0})
    kept = [row["objects"] for row in rows(log)]
    assert kept[0] == "10"
    assert kept[-1] == "20"
    assert set(kept) <= {"10", "2", "20"}


def test_tensorboard_hears_of_each_row_where_it_is_installed(tmp_path, monkeypatch):
    heard = []

    class Writer:
        def __init__(self, folder, purge_step):
            heard.append((folder, purge_step))

        def add_scalar(self, name, value, step):
            heard.append((name, value, step))

        def flush(self):
            heard.append("flush")

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=Writer))
    TrainingLog(tmp_path / "log.csv", 5).write({"objects": 10, "loss": 0.5})
    assert heard == [(str(tmp_path), 5), ("objects", 10.0, 10), ("loss", 0.5, 10), "flush"]


def test_a_file_takes_its_place_whole_or_not_at_all(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("old")

    def fail():
        with replacing(file) as partial:
            partial.write(b"ne")
            raise OSError(28, "No space left on device")

    with pytest.raises(RetrieveError, match=r"cannot write .*a\.txt: .*No space left"):
        fail()
    assert file.read_text() == "old"
    with replacing(file) as partial:
        partial.write(b"new")
    assert file.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_two_trainings_do_not_share_a_folder(tmp_path):
    with (
        lock_directory(tmp_path / "new" / "run"),
        pytest.raises(RetrieveError, match="is training in"),
        lock_directory(tmp_path / "new" / "run"),
    ):
        pass
    with lock_directory(tmp_path / "new" / "run"):
        pass


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RetrieveError, match="cannot write in"), lock_directory(tmp_path / "file"):
        pass
