"""Fills a local engine with a history of real runs: `python scripts/history.py [COUNT]`.

`make history` makes 2,000 of them in the demo's engine (`.demo`; HISTORY=COUNT, DEMO_DIR), so
that `make demo` and the notebook 03_task_history show them. What is there already is counted.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import inductiva_widgets as iw

ROOT = Path(__file__).resolve().parent.parent
DEMO = Path(os.environ.get("DEMO_DIR", ROOT / ".demo"))
COUNT = 2000
WAVE = 100  # tasks between two lines of progress


def main() -> int:
    """Makes what is missing of the history; stops the engine if it was not running before."""
    sys.path.insert(0, str(ROOT / "notebooks"))
    from examples import history

    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    folder = DEMO / "engine"
    was_running = iw.local.find(folder) is not None
    backend = iw.connect(local=True, data_dir=folder)
    try:
        there = len(iw.tasks.list(last_n=None, backend=backend))
        started = time.monotonic()
        for first in range(there, wanted, WAVE):
            history.make(min(WAVE, wanted - first), first=first, backend=backend)
            done = min(first + WAVE, wanted)
            seconds = time.monotonic() - started
            print(f"{done:,} of {wanted:,} tasks, {seconds:.0f} s", flush=True)
    except KeyboardInterrupt:
        print("Stopped; the next call goes on from here.")
    finally:
        backend.close()
        if not was_running:
            iw.local.stop(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
