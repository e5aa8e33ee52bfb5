"""From what a machine has to a Docker Engine: the plan as data, and what is said where there is none."""

import os
from pathlib import Path

import pytest

from draas.cli.engine_setup import (
    EngineFacts,
    EngineTrouble,
    GoWithout,
    InstallPackages,
    StartDaemon,
    StartUnit,
    ensure_engine,
    forget_dead_daemon,
    is_running,
    last_lines,
    perform,
    plan_engine,
)

DOCKERD = "/usr/sbin/dockerd"
ALL = ("docker.io", "iptables")


@pytest.mark.parametrize(
    ("facts", "steps"),
    [
        (EngineFacts(answers=True), ()),
        (EngineFacts(answers=True, host="tcp://10.0.0.2:2375"), ()),
        (EngineFacts(root=True, dockerd=DOCKERD, systemd=True, apt=True), (StartUnit(),)),
        (EngineFacts(root=True, dockerd=DOCKERD, apt=True), (StartDaemon(),)),
        (EngineFacts(root=True, dockerd=DOCKERD), (StartDaemon(),)),
        (EngineFacts(root=True, apt=True, missing_packages=ALL), (InstallPackages(names=ALL), StartDaemon())),
        (EngineFacts(root=True, apt=True, missing_packages=ALL, systemd=True), (InstallPackages(names=ALL), StartUnit())),
    ],
)  # fmt: skip
def test_steps(facts: EngineFacts, steps: tuple[object, ...]) -> None:
    assert plan_engine(facts) == steps


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (EngineFacts(refused=True, dockerd=DOCKERD), "usermod -aG docker"),
        (EngineFacts(host="tcp://10.0.0.2:2375", root=True, apt=True), "DOCKER_HOST=tcp://10.0.0.2:2375"),
        (EngineFacts(apt=True), "as root: apt-get install docker.io"),
        (EngineFacts(dockerd=DOCKERD, systemd=True, apt=True), "as root: systemctl enable --now docker"),
        (EngineFacts(dockerd=DOCKERD, apt=True), "as root: dockerd"),
        (EngineFacts(root=True), "not Debian or Ubuntu"),
        (EngineFacts(), "not installed"),
    ],
)
def test_one_line_says_what_is_missing(facts: EngineFacts, words: str) -> None:
    (step,) = plan_engine(facts)
    assert isinstance(step, GoWithout)
    assert words in step.missing
    assert "\n" not in step.missing


async def test_a_chosen_engine_that_is_away_is_not_replaced_by_another(tmp_path: Path) -> None:
    said: list[str] = []
    outcome = await ensure_engine(said.append, {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
    assert not outcome.answers
    assert said == [f"no containers on this machine, host jobs only: {outcome.missing}"]


async def test_a_failed_installation_is_told_in_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\necho reading\necho 'E: Unable to locate package docker.io' >&2\nexit 100\n")
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    said: list[str] = []
    with pytest.raises(EngineTrouble, match=r"update` failed: E: Unable to locate package docker\.io"):
        await perform((InstallPackages(names=("docker.io",)), StartDaemon()), "unix:///nowhere", said.append)
    assert said == ["installing Debian packages: docker.io"]


def test_a_pid_file_of_another_process_is_removed(tmp_path: Path) -> None:
    pid_file = tmp_path / "docker.pid"
    pid_file.write_text(str(os.getpid()))
    forget_dead_daemon(pid_file)
    assert not pid_file.exists()
    forget_dead_daemon(pid_file)


def test_a_process_runs_or_not() -> None:
    assert is_running(os.getpid())
    assert not is_running(2**22 + 1)  # above the kernel's largest pid


def test_last_lines_are_those_of_this_start(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("old\nfirst\nsecond\n")
    assert last_lines(log, 4, 5) == ["first", "second"]
    assert last_lines(log, 4, 1) == ["second"]
    assert last_lines(tmp_path / "none", 0, 5) == []
