"""`./test`: runs the parts one after another, from quick to slow, and counts what passed and what failed."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from draas.cli.engine_setup import ensure_engine

ROOT = Path(__file__).resolve().parent.parent
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
USAGE = """usage: ./test [PART…] [PYTEST ARGUMENTS]

Parts, from quick to slow (all of them where none is named):
{parts}
./test sim --seeds N     N simulated runs
./test unit -k words     anything that pytest takes
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One folder of tests, or the checkers. `packages` are Debian's: name, and a program by which it is recognised."""

    name: str
    what: str
    packages: tuple[tuple[str, str], ...] = ()
    arguments: tuple[str, ...] = ()
    engine: bool = False


ENGINE = (("docker.io", "dockerd"), ("iptables", "iptables"), ("busybox-static", "busybox"))
PROXIES = (("haproxy", "haproxy"), ("nginx-light", "nginx"))
MACHINES = (
    ("iproute2", "ip"),
    ("util-linux", "nsenter"),
    ("procps", "ps"),
)
REGISTRY = ("docker-registry", "docker-registry")
DISKS = ("e2fsprogs", "mkfs.ext4")
NAMES = (("dnsmasq-base", "dnsmasq"), ("pebble", "pebble"))
# Its plugin costs every start of pytest 1.5 s of CPU; only the suites over the real API use it.
PLAIN = ("-p", "no:schemathesis")
# Each worker begins with a run of files, so that what a module or session shares is made once; who is done early takes over tests.
SHARED_OUT = ("--dist", "worksteal")
PARTS = (
    Part(name="lint", what="ruff, mypy, import order, the dashboard's types and style"),
    Part(
        name="unit",
        what="pure decisions and single functions, no I/O",
        packages=(("git", "git"),),
        arguments=(*PLAIN, "-n", "2", *SHARED_OUT),
    ),
    Part(
        name="contract",
        what="one suite over each fake and the real thing",
        packages=(
            *ENGINE,
            *PROXIES,
            *NAMES,
            ("procps", "ps"),
            ("bubblewrap", "bwrap"),
            ("skopeo", "skopeo"),
            REGISTRY,
            DISKS,
        ),
        # They wait more than they compute: for engines, processes, sockets.
        arguments=("-n", "3", *SHARED_OUT),
        engine=True,
    ),
    Part(name="sim", what="the whole cluster simulated, one seed a run", arguments=(*PLAIN, "-n", "2")),
    Part(
        name="cluster",
        what="several machines with Docker Engines of their own",
        packages=(*ENGINE, *MACHINES, *PROXIES, NAMES[0]),
        arguments=PLAIN,
    ),
    Part(name="web", what="the dashboard's own tests, types and build", arguments=PLAIN),
    Part(
        name="e2e",
        what="a browser",
        packages=(("chromium", "chromium"), ("busybox-static", "busybox")),
        arguments=PLAIN,
    ),
)
CHECKERS = (
    ("ruff check", ("ruff", "check", "src", "tests", "bench", "docs", "web")),
    ("ruff format", ("ruff", "format", "--check", "src", "tests", "bench", "docs", "web")),
    ("mypy", ("mypy",)),
    ("import order", ("lint-imports",)),
    ("dashboard", ("python", "web/check.py")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one part gave. `not_run`: (name, reason) of each test that this machine cannot run."""

    part: str
    passed: int = 0
    failed: int = 0
    not_run: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0


class WrongUsage(Exception):
    """A command line that names no part there is."""


def split_arguments(arguments: Sequence[str], known: Sequence[str]) -> tuple[list[str], list[str]]:
    """Leading words are parts, the rest is pytest's. Raises WrongUsage for a word that is no part."""
    words = 0
    while words < len(arguments) and not arguments[words].startswith("-"):
        words += 1
    parts, rest = list(arguments[:words]), list(arguments[words:])
    if unknown := [part for part in parts if part not in known]:
        raise WrongUsage(f"there is no part {unknown[0]!r}; parts: {', '.join(known)}")
    return parts or list(known), rest


def count_results(junit_xml: str, part: str, seconds: float, strict: bool) -> Outcome:
    """Count pytest's JUnit report. Errors are failures; with `strict` (CI) so is what did not run."""
    passed = failed = 0
    not_run: list[tuple[str, str]] = []
    for case in ElementTree.fromstring(junit_xml).iter("testcase"):
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif skipped is not None:
            not_run.append((f"{case.get('classname')}.{case.get('name')}", skipped.get("message") or "no reason given"))
        else:
            passed += 1
    failed += len(not_run) if strict else 0
    return Outcome(part=part, passed=passed, failed=failed, not_run=tuple(not_run), seconds=seconds)


def render_summary(outcomes: Sequence[Outcome]) -> str:
    """The closing table; its last line is "N passed, N failed"."""
    lines = [f"{name}: {reason}" for outcome in outcomes for name, reason in outcome.not_run]
    lines += [f"{'part':10}{'passed':>8}{'failed':>8}{'not run':>9}{'seconds':>9}"]
    lines += [f"{o.part:10}{o.passed:8}{o.failed:8}{len(o.not_run):9}{o.seconds:9.1f}" for o in outcomes]
    lines += [f"{sum(o.passed for o in outcomes)} passed, {sum(o.failed for o in outcomes)} failed"]
    return "\n".join(lines)


def missing_packages(parts: Sequence[Part]) -> list[str]:
    """Debian packages of `parts` whose program is not here, each once."""
    path = f"{os.environ.get('PATH', os.defpath)}:{SBIN}"
    wanted = dict.fromkeys(package for part in parts for package in part.packages)
    return [package for package, program in wanted if shutil.which(program, path=path) is None]


def install_packages(packages: Sequence[str]) -> None:
    """Install Debian packages as root; elsewhere the tests that need them are listed as not run, with the reason."""
    if not packages or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    print(f"installing Debian packages for the tests: {' '.join(packages)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *packages]
    for command in (["apt-get", "-qq", "update"], install):
        done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, timeout=900, check=False)
        if done.returncode:
            print(f"{' '.join(command)} failed (its message is above); going on without", flush=True)


def run_checkers() -> Outcome:
    """Each checker counts as one test; its output is shown only where it fails."""
    began, passed = time.monotonic(), 0
    with ThreadPoolExecutor(max_workers=2) as pool:
        for (name, _), done in zip(CHECKERS, pool.map(_check, CHECKERS), strict=True):
            print(f"{name}: {'passed' if done.returncode == 0 else 'FAILED'}", flush=True)
            if done.returncode:
                print(done.stdout + done.stderr, flush=True)
            passed += done.returncode == 0
    return Outcome(part="lint", passed=passed, failed=len(CHECKERS) - passed, seconds=time.monotonic() - began)


def _check(checker: tuple[str, tuple[str, ...]]) -> subprocess.CompletedProcess[str]:
    program, *words = checker[1]
    arguments = [
        word for word in words if word not in {"src", "tests", "bench", "docs", "web"} or (ROOT / word).is_dir()
    ]
    command = [Path(sys.executable).parent / program, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)


def run_pytest(part: Part, arguments: Sequence[str], strict: bool) -> Outcome:
    """Run one folder. A pytest that broke down (interrupted, wrong usage, no report) counts as one failure."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="draas-test-") as folder:
        report = Path(folder) / "report.xml"
        pytest = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *part.arguments, *arguments]
        code = subprocess.run([*pytest, f"tests/{part.name}"], cwd=ROOT, check=False).returncode
        seconds = time.monotonic() - began
        if code not in {0, 1, 5} or not report.exists():
            print(f"pytest ended with code {code}", flush=True)
            return Outcome(part=part.name, failed=1, seconds=seconds)
        return count_results(report.read_text(), part.name, seconds, strict)


@contextmanager
def docker_engine(parts: Sequence[Part]) -> Iterator[None]:
    """Have a Docker Engine answer while a part needs it, by the same code as `draas up`; one that was started here is stopped."""
    if not any(part.engine for part in parts):
        yield
        return
    outcome = asyncio.run(ensure_engine(lambda line: print(line, flush=True)))
    try:
        yield
    finally:
        if outcome.pid is not None:
            os.kill(outcome.pid, signal.SIGTERM)


def main(arguments: Sequence[str]) -> int:
    there = [part for part in PARTS if part.name == "lint" or (ROOT / "tests" / part.name).is_dir()]
    if arguments and arguments[0] in {"-h", "--help"}:
        print(USAGE.format(parts="".join(f"  {part.name:10}{part.what}\n" for part in there)))
        return 0
    try:
        names, rest = split_arguments(arguments, [part.name for part in there])
    except WrongUsage as error:
        print(f"./test: {error}", file=sys.stderr)
        return 2
    strict = bool(os.environ.get("CI"))
    chosen = [part for part in there if part.name in names]
    install_packages(missing_packages(chosen))
    outcomes = []
    with docker_engine(chosen):
        for part in chosen:
            print(f"\n== {part.name}: {part.what}", flush=True)
            outcomes.append(run_checkers() if part.name == "lint" else run_pytest(part, rest, strict))
    print("\n" + render_summary(outcomes), flush=True)
    if not any(outcome.passed or outcome.failed for outcome in outcomes):
        print("no test ran: nothing matches these arguments", file=sys.stderr)
        return 1
    return 1 if any(outcome.failed for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
