"""Which machine runs which image."""

import pytest

from draas.model.architecture import runs, runs_any


@pytest.mark.parametrize(
    ("machine", "built_for", "can"),
    [
        ("amd64", "amd64", True),
        ("amd64", "386", True),
        ("arm64", "arm", True),
        ("amd64", "", True),
        ("amd64", "arm64", False),
        ("386", "amd64", False),
        ("arm", "arm64", False),
        ("riscv64", "amd64", False),
    ],
)
def test_a_machine_runs_its_own_and_what_it_is_compatible_with(machine: str, built_for: str, can: bool) -> None:
    assert runs(machine, built_for) is can


def test_one_of_several_is_enough_and_none_is_not_known() -> None:
    assert runs_any("arm64", ("amd64", "arm64"))
    assert runs_any("arm64", ())
    assert not runs_any("arm64", ("amd64", "s390x"))
