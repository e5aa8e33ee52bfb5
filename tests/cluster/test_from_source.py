"""From a source folder to answering replicas on three machines, with no other registry: by the very commands of docs/start.md.

The base images are made of Debian's packages, as Docker Hub is not reached; the machine that builds has them under the official names.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from draas.testing.app_lab import AppLab
from draas.testing.source_lab import ROOT, deployed, source_lab, typed
from draas.testing.waiting import wait_for

PULL_S = 120
SAMPLES = {"python": "Hello from Python", "node": "Hello from Node", "static": "Hello from a static site"}

pytestmark = [pytest.mark.needs("debian"), pytest.mark.timeout(900)]


def commands() -> list[str]:
    """The lines of docs/start.md that deploy the samples."""
    return re.findall(r"^\./draas deploy docs/samples/.*$", (ROOT / "docs/start.md").read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppLab]:
    with source_lab(tmp_path_factory.mktemp("from-source") / "controller") as opened:
        yield opened


def test_one_command_a_folder() -> None:
    assert sorted(line.rpartition("/")[2] for line in commands()) == sorted(SAMPLES)


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_answers_under_its_address(apps: AppLab, sample: str) -> None:
    line = next(line for line in commands() if line.endswith(f"/{sample}"))
    told = deployed(apps, line)
    assert told.stdout.splitlines()[0] == f"http://{sample}.localhost/", told
    apps.wait_served(sample, SAMPLES[sample])
    app = apps.app(sample)
    build = apps.call("GET", f"/api/builds/{app['spec']['labels']['draas.build']}")
    assert app["image"] == build["image"]
    assert build["image"].startswith(f"draas.internal/default/{sample}@sha256:")
    assert (build["kind"].lower().split()[0], build["port"]) == (sample, app["spec"]["port"])
    assert build["dockerfile"].startswith("# Made by DRaaS from ")
    shown = "\n".join(f"  {line}" for line in build["dockerfile"].splitlines())
    assert shown in told.stderr  # what was built is what was shown


def test_the_same_again_builds_nothing_and_changes_nothing(apps: AppLab) -> None:
    deployed(apps, "./draas deploy docs/samples/static")
    before = apps.call("GET", "/api/builds?name=static")["total"]
    again = deployed(apps, "./draas deploy docs/samples/static")
    assert again.stderr.startswith("static: unchanged since build b-"), again.stderr
    assert apps.call("GET", "/api/builds?name=static")["total"] == before
    assert len(apps.releases("static")) == 1


def test_replicas_answer_on_every_machine(apps: AppLab) -> None:
    """Those that build nothing pull from the controller alone: they have no way out."""
    deployed(apps, "./draas deploy docs/samples/python --replicas 3")
    nodes = {replica["node"] for replica in apps.app("python")["replicas"]}
    assert nodes == {"m1", "m2", "m3"}
    hosts = {replica["address"] for replica in apps.app("python")["replicas"]}
    assert len(hosts) == 3
    seen: set[str] = set()

    def look() -> set[str]:
        status, page = apps.fetch("python")
        assert status == 200
        seen.update(re.findall("<code>(.*)</code>", page))
        return seen

    wait_for(look, lambda found: len(found) == 3, "all three replicas have answered", PULL_S)


def test_a_changed_line_is_a_new_release_and_a_broken_one_hurts_nothing(apps: AppLab, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "index.html").write_text("<h1>One</h1>")
    deployed(apps, f"./draas deploy {folder}")
    apps.wait_served("site", "One")
    (folder / "index.html").write_text("<h1>Two</h1>")
    told = deployed(apps, f"./draas deploy {folder}")
    apps.wait_served("site", "Two")
    assert "site is live: release 2" in told.stderr
    (folder / "Dockerfile").write_text("FROM nginx:alpine\nRUN echo about to fail && exit 7\n")
    failed = typed(apps, f"./draas deploy {folder}")
    assert failed.returncode == 1
    assert "about to fail" in failed.stderr
    assert failed.stderr.splitlines()[-1].endswith("; release 2 of site serves on"), failed.stderr
    apps.wait_served("site", "Two")
