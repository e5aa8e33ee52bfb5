"""What `draas --help` costs in CPU time, against starting Python and doing nothing."""

import resource
import statistics
import subprocess
import sys

ROUNDS = 20


def cpu_ms(*command: str) -> float:
    """CPU time (user and system) of one run of `command` and its children, in milliseconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main() -> None:
    commands = {
        "draas --help": (sys.executable, "-m", "draas", "--help"),
        "import click": (sys.executable, "-c", "import click"),
        "python -c pass (floor)": (sys.executable, "-c", "pass"),
    }
    # In turns, so that what else the machine does hits all alike.
    rounds = [{name: cpu_ms(*command) for name, command in commands.items()} for _ in range(ROUNDS)]
    figures = {name: statistics.median(figure[name] for figure in rounds) for name in commands}
    for name, figure in figures.items():
        print(f"{name:24}{figure:8.1f} ms CPU (median of {ROUNDS})")
    print(f"{'ratio to the floor':24}{figures['draas --help'] / figures['python -c pass (floor)']:8.1f}")


if __name__ == "__main__":
    main()
