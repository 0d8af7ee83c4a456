"""The campaign: mutants of a format go one after the other to a child process, which is replaced when it dies or hangs."""

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

SECONDS = 20
"""Processor time of a command that hangs."""
WAITING = 90
"""Seconds of the clock after which it hangs in any case: it waits for something that does not come."""
MEGABYTES = 1000
"""What a mutant below 10 MB may take."""


class Reader:
    """A child process that reads mutants."""

    def __init__(self, folder):
        self.folder, self.process = Path(folder), None

    def _start(self):
        self.log = (self.folder / "child.log").open("wb")
        temporary = self.folder / "temporary"
        temporary.mkdir(exist_ok=True)
        cache = self.folder / "cache"
        settings = {"TMPDIR": str(temporary), "XDG_CACHE_HOME": str(cache), "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"}
        settings["TORCHINDUCTOR_CACHE_DIR"] = str(cache / "torch")
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("fuzz_child.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=os.environ | settings,
            start_new_session=True,
        )
        self.lines = queue.Queue()
        threading.Thread(target=self._listen, args=(self.process, self.lines), daemon=True).start()
        if (first := self.lines.get(timeout=120)) != "ready\n":
            raise RuntimeError(f"the reading process did not start: {first!r} {(self.folder / 'child.log').read_text()}")

    @staticmethod
    def _listen(process, lines):
        for line in process.stdout:
            lines.put(line)
        lines.put("")

    def stop(self):
        """End the process with its children."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()
        self.log.close()
        self.process = None

    def _spent(self):
        """Seconds of processor time of the process, with children that have ended."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    def read(self, folder, commands):
        """What came of the commands in a folder."""
        if self.process is None:
            self._start()
        self.process.stdin.write(json.dumps({"folder": str(folder), "commands": commands}) + "\n")
        self.process.stdin.flush()
        line, begun, spent = None, time.monotonic(), self._spent()
        while line is None:
            with contextlib.suppress(queue.Empty):
                line = self.lines.get(timeout=1)
            if line is None and (self._spent() - spent > SECONDS or time.monotonic() - begun > WAITING):
                self.stop()
                return {"codes": [], "fault": f"hangs: no answer in {SECONDS} s", "said": "", "megabytes": 0}
        if not line:
            code = self.process.wait()
            self.stop()
            log = (self.folder / "child.log").read_text(errors="replace")
            return {"codes": [], "fault": f"the interpreter died with {code}", "said": log[-1500:], "megabytes": 0}
        return json.loads(line)


def campaign(form, seeds, folder, reader):
    """Read mutants of a format, one for each seed. Return what failed, in words, with the place where the mutant is kept.

    Parameters
    ----------
    form : Format
        The format; see `fuzz_samples`.
    seeds : iterable of int
        A mutant for each.
    folder : Path
        Keeps the mutants that failed.
    reader : Reader
        Reads them.
    """
    failures = []
    whole = {path.name: path.read_bytes() for path in form.files(folder / "whole")}
    for seed in [None, *seeds]:
        place = folder / ("whole-read" if seed is None else f"{form.name}-{seed}")
        place.mkdir()
        for name, content in whole.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(content)
        if seed is not None:
            form.mutate(place / form.mutant, np.random.default_rng([seed, *form.name.encode()]))
        before = {path.name for path in place.iterdir()}
        commands = form.commands(seed or 0)
        answer = reader.read(place, commands)
        words = _wrong(answer, place, before, form, reader.folder / "temporary")
        if seed is None and not words and any(answer["codes"]):
            words = f"the whole file is refused: {answer['said']}"
        if words:
            failures.append(f"{place / form.mutant}\n    {commands}\n    {words}")
        else:
            shutil.rmtree(place)
    return failures


def _wrong(answer, place, before, form, temporary):
    """What failed, in words; empty if nothing did."""
    if answer["fault"]:
        return f"{answer['fault'].rstrip()}\n    {answer['said'].rstrip()}"
    if any(code not in (0, 1, 2) for code in answer["codes"]):
        return f"exit codes {answer['codes']}"
    size = (place / form.mutant).stat().st_size if (place / form.mutant).exists() else 0
    if answer["megabytes"] > MEGABYTES and size < 1e7:
        return f"took {answer['megabytes']} MB for a file of {size} bytes"
    done = bool(answer["codes"]) and not any(answer["codes"])
    left = {path.name for path in place.iterdir()} - before - set(form.outputs if done else form.kept)
    left |= {path.name for path in temporary.iterdir()}
    for path in temporary.iterdir():
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True) if path.is_file() else None
    return f"left behind: {', '.join(sorted(left))}; exit codes {answer['codes']}" if left else ""
