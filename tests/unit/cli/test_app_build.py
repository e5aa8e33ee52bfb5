"""`build` in draas.yaml, and an app's fields before and after its build."""

from pathlib import Path
from typing import Any

import click
import pytest

from draas.cli.app_build import NOT_BUILT_YET, AppBuild, after_build, before_build, build_in, declared
from draas.cli.app_file import read_apps
from draas.cli.build_options import BuildOptions
from draas.cli.source import Folder, Git

BUILT: dict[str, Any] = {"id": "b-1", "image": "draas.internal/default/shop@sha256:1", "source": {"digest": "sha256:2"}, "git": None, "port": 9000}  # fmt: skip


def build_of(text: str, folder: Path, flags: BuildOptions | None = None) -> AppBuild | None:
    file = str(folder / "draas.yaml")
    (app,) = read_apps(text, file)
    return build_in(app, file, flags or BuildOptions())


def test_short_and_long(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    assert build_of("app: shop\nimage: x\n", tmp_path) is None
    short = build_of("app: shop\nbuild: .\n", tmp_path)
    assert short is not None
    assert (short.given, short.shown) == (Folder(path=tmp_path), "./")
    text = "app: shop\nbuild:\n  context: web\n  dockerfile: Dockerfile.dev\n  args: {VERSION: 1.20}\n  target: run\n"
    long = build_of(text, tmp_path, BuildOptions(secrets={"a": "b"}, force=True))
    assert long is not None
    assert (long.given, long.shown) == (Folder(path=tmp_path / "web"), "web/")
    assert long.options == BuildOptions(
        dockerfile="Dockerfile.dev", args={"VERSION": "1.20"}, target="run", secrets={"a": "b"}, force=True
    )
    git = build_of("app: shop\nbuild: https://example.org/shop.git#v1\n", tmp_path)
    assert git is not None
    assert (git.given, git.shown) == (Git(url="https://example.org/shop.git#v1"), "https://example.org/shop.git#v1")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("app: shop\nimage: x\nbuild: .\n", "line 3: build and image are given"),
        ("app: shop\nbuild: [a]\n", "line 2: build must be a folder such as"),
        ("app: shop\nbuild:\n  contxt: .\n", "line 3: build.contxt is not known; did you mean context?"),
        ("app: shop\nbuild:\n  context: 1\n", "line 3: build.context must be text"),
        ("app: shop\nbuild: nowhere\n", "line 2: build cannot be built: .*nowhere is not there"),
        ("app: shop\nbuild:\n  context: nowhere\n", "line 3: build.context cannot be built"),
        ("app: shop\nbuild:\n  args: [a]\n", "line 3: build.args must be names and values"),
        ("app: shop\nbuild:\n  args:\n    A: [1]\n", "line 4: build.args.A must be one value"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(click.UsageError, match=told):
        build_of(text, tmp_path)


def test_before_a_build_all_but_the_image_is_checked() -> None:
    new = before_build({"app": "shop", "build": ".", "health": {"http": "/"}}, {}, None)
    assert new == {"app": "shop", "health": {"http": "/"}, "image": NOT_BUILT_YET, "port": 8000}
    old = {"image": "draas.internal/default/shop@sha256:0", "port": 81, "labels": {"draas.build": "b-0", "team": "web"}}
    again = before_build({"build": ".", "labels": {"a": "b"}}, old, 3000)
    assert again == {"labels": {"a": "b", "draas.build": "b-0"}, "image": old["image"], "port": 81}


def test_after_a_build_image_port_and_origin_are_there() -> None:
    labels = {"draas.build": "b-1", "draas.source": "sha256:2"}
    assert after_build({"build": "."}, BUILT, 8000) == {"image": BUILT["image"], "labels": labels, "port": 9000}
    assert after_build({"port": 5}, BUILT, 8000)["port"] == 5
    assert after_build({}, {**BUILT, "port": None}, 8000)["port"] == 8000
    assert "port" not in after_build({}, {**BUILT, "port": None}, None)
    of_git = {**BUILT, "source": None, "git": "https://example.org/shop.git"}
    assert after_build({"labels": {"a": "b"}}, of_git, None)["labels"] == {
        "a": "b", "draas.build": "b-1", "draas.source": "https://example.org/shop.git",
    }  # fmt: skip


def test_what_serves_nothing_gets_no_port() -> None:
    (worker,) = read_apps("app: worker\nbuild: .\nport: null\n", "draas.yaml")
    for fields in (declared(worker), {"health": {"none": True}, "port": None}, {"health": "none"}):
        assert after_build(fields, BUILT, 8000).get("port") is None
