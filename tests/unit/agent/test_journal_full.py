"""The agent's journal on a disk that takes nothing more: what was noted before stays readable, and work goes on."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from draas.agent.shell.journal import Journal
from draas.testing.builders import an_assignment


@contextmanager
def no_file_longer_than(size_bytes: int) -> Iterator[None]:
    """As a disk that is full: the last write is cut, the next one refused."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_costs_only_what_could_not_be_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "assignments.journal"
    first, unlucky, last = (an_assignment(id=f"j-{number}.1") for number in range(3))
    journal = Journal(path)
    journal.put(first)
    with no_file_longer_than(path.stat().st_size + 10):
        journal.put(unlucky)
    assert capsys.readouterr().err.count("[warning]") == 1
    journal.put(last)
    assert journal.get(unlucky.id) == unlucky  # this process knows it
    journal.close()
    found = Journal(path)
    assert (found.get(first.id), found.get(unlucky.id), found.get(last.id)) == (first, None, last)
    found.close()
