"""The model of the queue's protocol finds nothing wrong with it, and something with its variants.

IT_LONG=1 searches further.
"""

import os
import subprocess
import sys

from harness import TOP


def test_the_model_holds():
    model = TOP / "test" / "model" / "queue_model.py"
    command = [sys.executable, model] + (["long"] if os.environ.get("IT_LONG") else [])
    run = subprocess.run(command, capture_output=True, text=True, timeout=600)
    print(run.stdout)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("nothing is violated") >= 2
