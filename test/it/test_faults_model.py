"""The model of the queue's protocol finds nothing wrong with it, and something with its variants."""

import subprocess
import sys

from harness import TOP


def test_the_model_holds():
    model = TOP / "test" / "model" / "queue_model.py"
    run = subprocess.run([sys.executable, model], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("nothing is violated") == 2
