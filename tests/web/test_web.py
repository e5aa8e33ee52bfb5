"""The dashboard's own tests and types, and that its build gives the same bytes each time."""

import hashlib
import importlib.util
import json
import os
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

WEB = Path(__file__).resolve().parents[2] / "web"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"draas_web_{name}", WEB / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    module = load("build")
    module.ensure(tools=True)
    return module


@pytest.fixture(scope="module")
def node(builder: ModuleType) -> Path:
    return Path(builder.find_node())


def test_its_own_tests_pass(node: Path) -> None:
    done = subprocess.run(
        [node, WEB / "node_modules/vitest/vitest.mjs", "run", "--reporter=json"],
        cwd=WEB, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert report["numFailedTests"] == report["numPendingTests"] == report["numTodoTests"] == 0
    assert report["numPassedTests"] > 70


def test_its_types_are_those_of_the_api(builder: ModuleType, node: Path) -> None:
    schema = load("schema")
    assert schema.SCHEMA.read_text() == schema.render_schema(str(node)), "run: python web/schema.py"


def test_two_builds_are_equal_byte_for_byte(builder: ModuleType, node: Path, tmp_path: Path) -> None:
    builds = [tmp_path / "one", tmp_path / "two"]
    for out in builds:
        builder.build(node, out)
    one, two = (
        {path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in out.rglob("*") if path.is_file()}
        for out in builds
    )  # fmt: skip
    assert one == two
    assert {"index.html", "start.js", "icon.svg"} <= one.keys()
    scripts = [name for name in one if name.endswith(".js")]
    assert all(f"{name}.br" in one and f"{name}.gz" in one for name in scripts)


def test_the_build_asks_no_other_host_and_has_no_inline_script(builder: ModuleType) -> None:
    page = (builder.OUT / "index.html").read_text()
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page))
    assert "<style" not in page
    assert re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", page) == []
    styles = "".join(path.read_text() for path in (builder.OUT / "assets").glob("*.css"))
    assert re.findall(r"url\((?!data:)[^)]*//", styles) == []


def test_what_is_current_is_not_built_again(builder: ModuleType) -> None:
    before = (builder.OUT / "index.html").stat().st_mtime_ns
    builder.ensure()
    assert builder.is_current()
    assert (builder.OUT / "index.html").stat().st_mtime_ns == before


def test_the_lock_file_says_what_and_not_where_from() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert packages
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [name for name, package in packages.items() if not package.get("integrity", "").startswith("sha512-")] == []


def test_a_build_that_cannot_be_says_why_in_one_line(builder: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(builder.CannotBuild) as told:
        builder.run([str(node_that_fails(tmp_path)), "ci"], timeout_s=20, environment=dict(os.environ))
    assert "no route to the registry" in str(told.value)
    assert "\n" not in str(told.value)


def node_that_fails(folder: Path) -> Path:
    program = folder / "node"
    program.write_text("#!/bin/sh\necho npm error\necho no route to the registry\nexit 1\n")
    program.chmod(0o755)
    return program
