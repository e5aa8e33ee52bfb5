"""Control groups of test machines, on folders that look like version 1 and version 2."""

from pathlib import Path

from draas.testing.control_group import ControlGroup


def test_version_2_hands_controllers_down_and_holds_processes_in_a_part(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids")
    group = ControlGroup("/rack/m1", tmp_path)
    group.make()
    here = tmp_path / "rack" / "m1"
    assert group.enter_script() == f"echo $$ > {here}/system/cgroup.procs"
    for folder in (tmp_path, tmp_path / "rack", here):
        assert (folder / "cgroup.subtree_control").exists()
    assert not (here / "system" / "cgroup.subtree_control").exists()  # a group with processes may hand nothing down
    group.freeze(True)
    assert (here / "cgroup.freeze").read_text() == "1"
    group.limit(memory_bytes=4096, cpus=0.5)
    assert ((here / "memory.max").read_text(), (here / "cpu.max").read_text()) == ("4096", "50000 100000")
    group.limit(memory_bytes=None, cpus=None)
    assert ((here / "memory.max").read_text(), (here / "cpu.max").read_text()) == ("max", "max 100000")


def test_version_1_has_one_folder_a_hierarchy(tmp_path: Path) -> None:
    for controller in ("cpu", "memory", "freezer"):
        (tmp_path / controller).mkdir()
    group = ControlGroup("/rack/m1", tmp_path)
    group.make()
    assert group.enter_script().count("cgroup.procs") == 3
    group.limit(memory_bytes=4096, cpus=0.5)
    assert (tmp_path / "memory/rack/m1/memory.limit_in_bytes").read_text() == "4096"
    assert (tmp_path / "cpu/rack/m1/cpu.cfs_quota_us").read_text() == "50000"
    (tmp_path / "memory/rack/m1/system/cgroup.procs").write_text("17\n18\n")
    (tmp_path / "cpu/rack/m1/system/cgroup.procs").write_text("17\n")
    assert group.pids() == {17, 18}
