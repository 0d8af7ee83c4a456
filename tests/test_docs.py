"""The reference is what the program says of itself."""

import subprocess
import sys
from pathlib import Path

GENERATE = Path(__file__).parents[1] / "docs" / "generate.py"


def test_the_reference_is_up_to_date():
    told = subprocess.run([sys.executable, GENERATE, "--check"], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
