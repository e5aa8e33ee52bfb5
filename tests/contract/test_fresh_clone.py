"""`./draas` in a fresh copy of the tree, with nothing but what Debian has on PATH."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from draas import __version__

ROOT = Path(__file__).resolve().parents[2]
PARTS = ["draas", "deploy", "src", "pyproject.toml", "requirements.lock", "requirements-dev.lock"]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clone")
    for name in PARTS:
        part = ROOT / name
        copy = shutil.copytree if part.is_dir() else shutil.copy
        copy(part, folder / name)
    return folder


def start(clone: Path, *words: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    pipe = subprocess.PIPE
    return subprocess.Popen([clone / "draas", *words], cwd="/", env=environment, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.needs("debian")
def test_two_at_once_set_up_once_and_both_run(clone: Path) -> None:
    started = [start(clone, "version") for _ in range(2)]
    ended = [(*process.communicate(timeout=110), process.returncode) for process in started]
    assert [(out, code) for out, _, code in ended] == [(f"draas {__version__}\n", 0)] * 2, ended
    assert sum("installing the packages of requirements.lock" in said for _, said, _ in ended) == 1, ended


@pytest.mark.needs("debian")
def test_once_set_up_it_says_nothing_and_needs_no_network(clone: Path) -> None:
    process = start(clone, "version")
    assert process.communicate(timeout=60) == (f"draas {__version__}\n", "")


@pytest.mark.needs("debian")
def test_a_changed_lock_is_noticed(clone: Path) -> None:
    with (clone / "requirements.lock").open("a") as lock:
        lock.write("\n")
    said = start(clone, "version").communicate(timeout=110)[1]
    assert "installing the packages of requirements.lock" in said


@pytest.mark.needs("debian")
def test_an_exit_code_is_passed_on(clone: Path) -> None:
    process = start(clone, "no-such-command")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2, said
