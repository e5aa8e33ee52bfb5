"""What a test needs of the machine: `@pytest.mark.needs("root", "netns")`.

Where it lacks, the test is not run and is named with the reason; with CI set that is a failure.
"""

import functools
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

# How long one example takes says more of what else this machine does.
hypothesis.settings.register_profile("draas", deadline=None)
hypothesis.settings.load_profile("draas")
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


def found(program: str) -> bool:
    return shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}") is not None


def works(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0


def engine_answers() -> bool:
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    return found("docker") and works("docker", "-H", host, "version")


CHECKS: dict[str, tuple[Callable[[], bool], str]] = {
    "root": (lambda: os.geteuid() == 0, "needs root"),
    "netns": (lambda: found("ip") and works("unshare", "--net", "true"), "needs network namespaces (root, iproute2)"),
    "dockerd": (lambda: found("dockerd"), "needs the Docker Engine package (docker.io)"),
    "engine": (engine_answers, "needs a Docker Engine that answers on DOCKER_HOST or /var/run/docker.sock"),
    "busybox": (lambda: Path("/bin/busybox").exists(), "needs the package busybox-static"),
    "haproxy": (lambda: found("haproxy"), "needs the package haproxy"),
    "nginx": (lambda: found("nginx"), "needs the package nginx-light"),
    "dnsmasq": (lambda: found("dnsmasq"), "needs the package dnsmasq-base"),
    "pebble": (lambda: found("pebble") and found("pebble-challtestsrv"), "needs the package pebble"),
    "skopeo": (lambda: found("skopeo"), "needs the package skopeo"),
    "docker-registry": (lambda: found("docker-registry"), "needs the package docker-registry"),
    "loop": (lambda: found("mkfs.ext4") and works("losetup", "-f"), "needs loop devices and the package e2fsprogs"),
    "git": (lambda: found("git"), "needs the package git"),
    "debian": (lambda: Path("/etc/debian_version").exists(), "needs Debian or Ubuntu"),
}


@functools.cache
def lacking(need: str) -> str:
    """Why `need` cannot be met here, "" if it can. Raises KeyError for a need that nobody defined."""
    check, reason = CHECKS[need]
    return "" if check() else reason


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"needs(*what): runs only where the machine has it: {', '.join(CHECKS)}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    needs = [need for mark in item.iter_markers("needs") for need in mark.args]
    reasons = [reason for need in needs if (reason := lacking(need))]
    if reasons and os.environ.get("CI"):
        pytest.fail(f"cannot run here: {'; '.join(reasons)} (a failure because CI is set)", pytrace=False)
    if reasons:
        pytest.skip(f"cannot run here: {'; '.join(reasons)}")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seeds", type=int, default=None, help="how many seeds the simulation (tests/sim) runs")
    parser.addoption("--seed", type=int, default=None, help="run this seed of the simulation only")
