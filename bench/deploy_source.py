"""From a folder to an app that answers, by the command line: new, unchanged, and with one changed line.

`.venv/bin/python bench/deploy_source.py [TIMES]`: the Python sample on three machines of this host, one of which builds; unchanged and changed
deploys are repeated 5 times, and the slowest counts. What is asked for: unchanged, at most 3 s. Needs root and Debian's docker.io.
"""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from draas.lib import clock
from draas.testing.app_lab import AppLab
from draas.testing.source_lab import ROOT, deployed, source_lab

ASKED_S = 3.0


def seconds(apps: AppLab, line: str) -> float:
    began = clock.monotonic()
    deployed(apps, line)
    return clock.monotonic() - began


def main(times: int) -> int:
    with TemporaryDirectory(prefix="draas-bench-") as temporary:
        folder = Path(temporary) / "shop"
        shutil.copytree(ROOT / "docs/samples/python", folder)
        line = f"./draas deploy {folder}"
        with source_lab(Path(temporary) / "controller", {"python": "python:3.13-slim"}) as apps:
            print(f"new: {seconds(apps, line):.2f} s")
            unchanged = max(seconds(apps, line) for _ in range(times))
            print(f"unchanged: {unchanged:.2f} s, the slowest of {times} (asked: {ASKED_S:g} s)")
            changed = []
            for number in range(times):
                with (folder / "main.py").open("a") as main_file:
                    main_file.write(f"# {number}\n")
                changed.append(seconds(apps, line))
            print(f"one line changed: {max(changed):.2f} s, the slowest of {times}")
    return 0 if unchanged <= ASKED_S else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
