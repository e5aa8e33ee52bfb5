"""What is sent of a source: the folder with the Dockerfile that was made for it, always the same bytes for the same files."""

import tarfile
from dataclasses import replace
from pathlib import Path

import click
import pytest

from draas.build.recipe import NotRecognised
from draas.build.unpack import unpack
from draas.cli.build_options import BuildOptions
from draas.cli.prepare import INPUTS, Prepared, prepared
from draas.cli.source import Archive, Folder, Git

DOCKERFILE = "FROM scratch\nCOPY server /\nEXPOSE 9000\n"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "main.py").write_text("print(1)\n")
    (folder / "requirements.txt").write_text("")
    (folder / ".gitignore").write_text("secret.txt\n")
    (folder / "secret.txt").write_text("hidden")
    return folder


def taken(folder: Path, options: BuildOptions | None = None) -> tuple[Prepared, dict[str, str]]:
    """What is prepared, and the files that arrive."""
    with prepared(Folder(path=folder), options or BuildOptions()) as ready:
        assert ready.file is not None
        arrived = folder.parent / "arrived"
        with ready.file.open("rb") as archive:
            unpack(archive, arrived)
        files = {str(path.relative_to(arrived)): path.read_text() for path in arrived.rglob("*") if path.is_file()}
        assert ready.file.stat().st_size == ready.size_bytes
        for path in sorted(arrived.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        arrived.rmdir()
    assert not ready.file.exists()
    return ready, files


def test_what_was_shown_is_what_is_sent(shop: Path) -> None:
    ready, files = taken(shop)
    assert sorted(files) == [".gitignore", "Dockerfile", "main.py", "requirements.txt"]
    assert files["Dockerfile"] == ready.made
    assert ready.made.startswith("# Made by DRaaS from requirements.txt, main.py.")
    assert (ready.kind, ready.port, ready.dockerfile, ready.folder) == ("python", 8000, "Dockerfile", "")
    assert ready.told == "python, by requirements.txt, main.py; 3 files"
    body = ready.body("shop")
    assert body == {
        "name": "shop", "source": ready.digest, "dockerfile": "Dockerfile", "labels": {INPUTS: ready.inputs},
    }  # fmt: skip


def test_an_empty_dockerfile_is_none(shop: Path) -> None:
    """The shell makes it before it runs `draas detect --quiet >Dockerfile`."""
    first, _ = taken(shop)
    (shop / "Dockerfile").touch()
    ready, files = taken(shop)
    assert (ready.made, files["Dockerfile"]) == (first.made, first.made)


def test_the_same_is_known_again_and_every_difference_counts(shop: Path) -> None:
    first, _ = taken(shop)
    assert taken(shop)[0].inputs == first.inputs
    options = BuildOptions(args={"A": "1"})
    seen = {first.inputs, taken(shop, options)[0].inputs, taken(shop, replace(options, args={"A": "2"}))[0].inputs}
    seen |= {
        taken(shop, BuildOptions(target="dev"))[0].inputs,
        taken(shop, BuildOptions(platform="linux/arm64"))[0].inputs,
    }
    seen |= {taken(shop, BuildOptions(bases={"python": "mine:1"}))[0].inputs}
    seen |= {taken(shop, BuildOptions(secrets={"token": "x"}))[0].inputs}
    (shop / "main.py").write_text("print(2)\n")
    seen.add(taken(shop)[0].inputs)
    assert len(seen) == 8
    # Of a secret's value nothing may be told, not even whether it is another one.
    one, other = (taken(shop, BuildOptions(secrets={"token": value}))[0].inputs for value in "ab")
    assert one == other


def test_the_projects_own_dockerfile_stays_alone(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    (folder / "api").mkdir(parents=True)
    (folder / "api/Dockerfile").write_text(DOCKERFILE)
    (folder / "api/server").touch()
    ready, files = taken(folder)
    assert sorted(files) == ["api/Dockerfile", "api/server"]
    assert (ready.folder, ready.dockerfile, ready.port, ready.made) == ("api", "Dockerfile", 9000, "")
    with pytest.raises(click.UsageError, match="--base: api/Dockerfile is the project's own"):
        taken(folder, BuildOptions(bases={"python": "mine:1"}))
    (folder / "Dockerfile.dev").write_text(DOCKERFILE)
    ready, _ = taken(folder, BuildOptions(dockerfile="./Dockerfile.dev"))
    assert (ready.folder, ready.dockerfile) == ("", "Dockerfile.dev")
    with pytest.raises(click.UsageError, match="--dockerfile other: it is not among what is sent"):
        taken(folder, BuildOptions(dockerfile="other"))


def test_a_project_in_the_only_folder_gets_its_dockerfile_there(tmp_path: Path) -> None:
    folder = tmp_path / "download"
    (folder / "shop-main").mkdir(parents=True)
    (folder / "shop-main/index.html").write_text("hi")
    ready, files = taken(folder)
    assert sorted(files) == ["shop-main/Dockerfile", "shop-main/index.html"]
    assert (ready.folder, ready.dockerfile) == ("shop-main", "Dockerfile")


def test_an_archive_goes_as_it_is_and_git_not_at_all(tmp_path: Path) -> None:
    archive = tmp_path / "shop.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(__file__, "main.py")
    with prepared(Archive(path=archive), BuildOptions(dockerfile="web/Dockerfile")) as ready:
        assert (ready.file, ready.size_bytes, ready.dockerfile) == (archive, archive.stat().st_size, "web/Dockerfile")
        assert ready.inputs
    assert archive.exists()
    with prepared(Git(url="https://example.org/shop.git#main"), BuildOptions(cache=False)) as ready:
        assert (ready.inputs, ready.file) == ("", None)
        assert ready.body("shop") == {"name": "shop", "git": "https://example.org/shop.git#main", "cache": False}
    with (
        pytest.raises(click.UsageError, match="--base is for folders"),
        prepared(Archive(path=archive), BuildOptions(bases={"python": "x"})),
    ):
        pass


def test_what_is_not_recognised_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    with pytest.raises(NotRecognised) as refused:
        taken(tmp_path / "shop")
    assert "package.json (Node)" in refused.value.looked_for
