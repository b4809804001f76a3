import re
import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parents[3] / "tools" / "demo.py"


def test_the_demo_shows_completions_and_their_latency():
    done = subprocess.run([sys.executable, str(DEMO)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "median while typing" in done.stdout
    assert "⟦" in done.stdout
    for sample in ("inventory.py", "timetable.py"):
        assert f"{sample:14} shown unasked: right" in done.stdout
    assert re.search(r"in the project \d+ keys instead of \d+: \d+% saved", done.stdout)
    assert "Next: put it into your editor." in done.stdout


def test_a_model_that_cannot_be_opened_fails_the_demo(tmp_path):
    done = subprocess.run(
        [sys.executable, str(DEMO), "--model", str(tmp_path)], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert str(tmp_path) in done.stderr
