"""What a builder makes of a source: a Dockerfile that came along with it is known as made, and for what."""

from pathlib import Path

import pytest

from draas.agent.runtimes.build.source_tree import plan_build
from draas.build.unpack import unpack
from draas.cli.build_options import BuildOptions
from draas.cli.prepare import Prepared, prepared
from draas.cli.source import Folder

FILES = {
    "Python": {"main.py": "print(1)\n", "requirements.txt": ""},
    "Node": {"package.json": '{"scripts": {"start": "node ."}}'},
    "static site": {"site-main/index.html": "hi", "site-main/style.css": ""},
}


def sent(folder: Path, into: Path) -> Prepared:
    with prepared(Folder(path=folder), BuildOptions()) as ready:
        assert ready.file is not None
        with ready.file.open("rb") as archive:
            unpack(archive, into)
        return ready


def write(folder: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


@pytest.mark.parametrize("kind", FILES)
def test_what_was_made_for_a_folder_is_built_as_such(tmp_path: Path, kind: str) -> None:
    tree = tmp_path / "tree"
    ready = sent(write(tmp_path / "shop", FILES[kind]), tree)
    plan = plan_build(tree, ready.folder, ready.dockerfile)
    assert (plan.kind, plan.text, plan.made, plan.sent) == (kind, ready.made, True, True)
    assert (plan.because, plan.port) == (ready.because, ready.port)
    assert plan.context == tree / ready.folder


def test_the_same_without_the_command_line(tmp_path: Path) -> None:
    plan = plan_build(write(tmp_path / "shop", FILES["Python"]), "", "")
    assert (plan.kind, plan.made, plan.sent, plan.port) == ("Python", True, False, 8000)


def test_a_project_of_its_own_is_no_other(tmp_path: Path) -> None:
    folder = write(tmp_path / "shop", {**FILES["Python"], "Dockerfile": "FROM scratch\nEXPOSE 9000\n"})
    tree = tmp_path / "tree"
    ready = sent(folder, tree)
    plan = plan_build(tree, ready.folder, ready.dockerfile)
    assert (plan.kind, plan.made, plan.sent) == ("Dockerfile", False, False)
    assert plan_build(tree, "", "").port == 9000
