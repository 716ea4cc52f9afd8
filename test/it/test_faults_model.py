"""The models find nothing wrong with what they are of, and something with its variants.

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


def test_the_model_of_kept_events_holds():
    model = TOP / "test" / "model" / "kept_model.py"
    run = subprocess.run([sys.executable, model], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("nothing is violated") == 1
    assert run.stdout.count("is violated") == 4
