"""Reads mutants one after the other, as the command line does, and tells what came of each. `fuzz_campaign` starts it.

A line of JSON in: `{"folder": …, "commands": [[…], …]}`. A line out: `{"codes": […], "fault": …, "said": …, "megabytes": …}`.
A command that begins with "call" is a function, as `module:name`, with its arguments.
"""

import contextlib
import gc
import importlib
import io
import json
import os
import resource
import sys
import traceback
import warnings

import numpy as np

from retrieve.cli import main
from retrieve.errors import RetrieveError

ADDRESS_SPACE = 2 * 2**30
"""Bytes that a mutant may add to those of the interpreter."""


def status(name):
    """A value of the process in bytes, such as VmHWM."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(f"{name}:"))


def forget_peak():
    """Let VmHWM begin again at the memory of now."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def analysed(path):
    """What `retrieve analyze` does before it draws, which takes seconds."""
    from retrieve.evaluate.analysis_summary import summary
    from retrieve.evaluate.analyze import analyze
    from retrieve.io.results import read_result

    json.dumps(summary(analyze([read_result(path)])), allow_nan=False)


def called(command):
    """The exit code of a command; a function's refusal counts as 2."""
    try:
        if command[0] == "call":
            module, _, name = command[1].partition(":")
            getattr(importlib.import_module(module), name)(*command[2:])
        else:
            main(command)
    except SystemExit as stop:
        return stop.code or 0
    except RetrieveError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def nonsense(command):
    """What is wrong with a result that a run saved; empty if nothing is."""
    if command[0] != "run" or "--out" not in command or not os.path.exists(out := command[command.index("--out") + 1]):
        return ""
    from retrieve.io.results import read_result

    result = read_result(out)
    numbers = [result.score.r] + ([] if result.score.r_free is None else [result.score.r_free])
    if not np.isfinite(numbers).all():
        return f"saved a score that is not finite: {result.score}"
    if not np.isfinite(result.object).all() or not result.object.any():
        return "saved an empty object, or one that is not finite"
    return ""


def refusal(text, codes):
    """What is wrong with the words of a refusal; empty if nothing is."""
    lines = [line for line in text.splitlines() if line.startswith(("error:", "  File ", "Traceback"))]
    if any(not line.startswith("error:") for line in lines):
        return "a traceback was printed"
    if any(code == 2 for code in codes) and not lines:
        return "refused without a word"
    return ""


def read(folder, commands):
    """What came of a mutant."""
    said, codes, fault = io.StringIO(), [], ""
    os.chdir(folder)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said), warnings.catch_warnings():
        try:
            for command in commands:
                codes.append(called(command))
                fault = fault or (nonsense(command) if codes[-1] == 0 else "")
            fault = fault or refusal(said.getvalue(), codes)
        except BaseException:
            fault = traceback.format_exc(limit=-6)
    return codes, fault, said.getvalue()[-600:]


def serve():
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what C code prints is no answer
    for module in ("retrieve.io.results", "retrieve.driver.solve", "retrieve.evaluate.verdict", "retrieve.prepare", "torch"):
        importlib.import_module(module)  # before memory is limited and counted
    limit = status("VmSize") + ADDRESS_SPACE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        forget_peak()
        before = status("VmRSS")
        codes, fault, said = read(asked["folder"], asked["commands"])
        megabytes = (status("VmHWM") - before) / 1e6
        answer = {"codes": codes, "fault": fault, "said": said, "megabytes": round(megabytes)}
        print(json.dumps(answer), file=answers, flush=True)
        gc.collect()
        gc.freeze()  # what stays, modules above all, is not looked through again after each mutant


if __name__ == "__main__":
    serve()
