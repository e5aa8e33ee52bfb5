"""Sources sent from the browser: cut on their way, cancelled, dropped; recognised before; and all that the forms may say."""

import hashlib
import io
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from accessibility import violations
from cloud import ADMIN_KEY, Cloud
from playwright.sync_api import Browser, Dialog, Page, Route, expect
from test_apps import DOCKERFILE, ENGINE, all_builds, archive, remove_images, serves, sideways, step
from test_dashboard import live

from conftest import Open, free_port, go, sign_in
from draas.testing.cut_wire import CutWire
from draas.testing.waiting import BackgroundLoop

pytestmark = [pytest.mark.needs("engine", "busybox"), pytest.mark.console_tells("net::ERR_NETWORK_CHANGED")]
MIB = 1024 * 1024
CUT_EVERY = 6 * MIB  # less than a chunk, so that each is cut on its way


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One that has an engine. What it made there is taken away after."""
    with Cloud(tmp_path_factory.mktemp("cloud"), free_port(), ENGINE) as started:
        yield started
        started.remove_apps()
        built = {build["image"].split("/", 1)[1].split("@")[0] for build in all_builds(started) if build["image"]}
    remove_images(built)


@pytest.fixture(scope="module")
def signed_in(browser: Browser, cloud: Cloud) -> dict[str, object]:
    return sign_in(browser, cloud)


@pytest.fixture
def wire(cloud: Cloud) -> Iterator[tuple[CutWire, str]]:
    """A line to the controller that breaks again and again, and its address."""
    loop, wire = BackgroundLoop(), CutWire(int(cloud.url.rsplit(":", 1)[1]), CUT_EVERY)
    listening = wire.listening()
    port = loop.run(listening.__aenter__())
    yield wire, f"http://127.0.0.1:{port}"
    loop.run(listening.__aexit__(None, None, None))
    loop.close()


def large(text: str, size: int = 20 * MIB) -> bytes:
    """A zip that does not get smaller."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zip:
        zip.writestr("Dockerfile", DOCKERFILE)
        zip.writestr("index.html", text)
        zip.writestr("ballast", os.urandom(size))
    return out.getvalue()


def choose(page: Page, name: str, content: bytes) -> None:
    page.get_by_text("Folder or archive").click()
    page.get_by_label("Archive", exact=True).set_input_files({"name": name, "mimeType": "", "buffer": content})
    expect(page.locator(".drop")).to_contain_text(name)


def drop(page: Page, path: Path) -> None:
    """As the system's file manager does it."""
    box = page.locator(".drop").bounding_box()
    assert box is not None
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        at = {"x": box["x"] + 20, "y": box["y"] + 20}
        session.send("Input.dispatchDragEvent", {"type": kind, **at, "data": data})


# Chromium itself sends a chunk again whose answer was cut: the controller has a part of it by then.
@pytest.mark.console_tells("net::ERR_", "Failed to fetch", "416 (")
def test_an_upload_over_a_line_that_breaks_completes_and_is_what_was_sent(
    open_page: Open, cloud: Cloud, wire: tuple[CutWire, str]
) -> None:
    broken, url = wire
    content = large("sent over a broken line")
    page = open_page("/dashboard/sign-in", signed_out=True)
    go(page, f"{url}/dashboard/sign-in?next=/deploy")
    page.get_by_label("Key", exact=True).fill(ADMIN_KEY)
    page.get_by_role("button", name="Sign in").click()
    live(page)
    go(page, f"{url}/dashboard/deploy")
    choose(page, "broken.zip", content)
    page.get_by_role("button", name="Deploy", exact=True).click()
    expect(page).to_have_url(re.compile(r"/dashboard/deploy/b-[0-9a-z]+$"), timeout=90_000)
    assert broken.cuts >= 3
    assert broken.sent < 3 * len(content), "it goes on, chunk by chunk, where it was"
    expect(page.get_by_text("broken is live")).to_be_visible(timeout=60_000)
    build = cloud.call("GET", f"/api/builds/{page.url.rsplit('/', 1)[1]}")
    assert build["source"] == {"digest": f"sha256:{hashlib.sha256(content).hexdigest()}"}
    assert serves(cloud.call("GET", "/api/apps/broken")["urls"][0]) == "sent over a broken line"


@pytest.mark.console_tells("net::ERR_")
def test_a_lost_connection_is_told_and_the_upload_goes_on_by_itself(open_page: Open, cloud: Cloud) -> None:
    page = open_page("/dashboard/deploy")
    is_cut, patches = True, []

    def cut(route: Route) -> None:
        if route.request.method != "PATCH":
            return route.continue_()
        patches.append(route.request.headers["content-range"])
        return route.abort("internetdisconnected") if is_cut and len(patches) > 1 else route.continue_()

    page.route("**/v2/**", cut)
    choose(page, "lost.zip", large("lost and found"))
    page.get_by_role("button", name="Build only").click()
    expect(page.get_by_role("status").filter(has_text="The connection is lost")).to_contain_text("goes on by itself")
    expect(step(page, "source")).to_contain_text(re.compile(r"(39|40) %"))
    is_cut = False
    expect(page).to_have_url(re.compile(r"/dashboard/builds/b-[0-9a-z]+$"), timeout=60_000)
    assert patches[0].startswith("0-")
    assert patches[1].startswith(f"{8 * MIB}-"), "it goes on behind what had arrived"
    assert patches.count(patches[0]) == 1
    expect(page.locator(".page-title .state")).to_have_text("succeeded", timeout=60_000)
    assert "lost" not in [app["name"] for app in cloud.call("GET", "/api/apps")["items"]]


@pytest.mark.console_tells("net::ERR_")
def test_a_cancelled_upload_leaves_nothing_and_the_form_as_it_was(open_page: Open, cloud: Cloud) -> None:
    page = open_page("/dashboard/deploy")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method) if "/blobs/uploads/" in request.url else None)
    page.route("**/v2/**", lambda route: None if route.request.method == "PATCH" else route.continue_())
    choose(page, "stopped.zip", archive(Dockerfile=DOCKERFILE, index__html="never"))
    before = len(all_builds(cloud))
    page.get_by_role("button", name="Deploy", exact=True).click()
    expect(page.get_by_role("progressbar", name="Upload")).to_be_visible()
    asking: list[str] = []

    def stay(dialog: Dialog) -> None:
        asking.append(dialog.message)
        dialog.dismiss()

    page.once("dialog", stay)
    page.get_by_role("link", name="Events", exact=True).first.click()
    assert asking == ["The upload is not finished. Leave, and cancel it?"]
    expect(page).to_have_url(re.compile(r"/dashboard/deploy$"))
    with page.expect_request(lambda request: request.method == "DELETE"):
        page.get_by_role("button", name="Cancel").press("Enter")
    expect(page.get_by_text("The upload was cancelled; nothing was built.")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("stopped")
    assert asked[-1] == "DELETE"
    assert len(all_builds(cloud)) == before


def test_a_dropped_folder_shows_its_dockerfile_before_it_is_built(open_page: Open, tmp_path: Path) -> None:
    folder = tmp_path / "my shop"
    (folder / "node_modules").mkdir(parents=True)
    (folder / "node_modules" / "x.js").write_text("left out")
    (folder / "requirements.txt").write_text("flask\n")
    (folder / "main.py").write_text("print(1)\n")
    page = open_page("/dashboard/deploy")
    page.get_by_text("Folder or archive").click()
    drop(page, folder)
    expect(page.locator(".drop")).to_contain_text("my shop, 15 B, 2 files")
    expect(page.get_by_label("Name", exact=True)).to_have_value("my-shop")
    expect(page.get_by_text("It is built as Python, by requirements.txt")).to_be_visible()
    expect(page.get_by_role("region", name="Dockerfile")).to_contain_text("FROM python:")
    expect(page.get_by_label("Port", exact=True)).to_have_attribute("placeholder", "8000")
    (folder / "requirements.txt").unlink()
    (folder / "main.py").unlink()
    (folder / "notes.txt").write_text("nothing to build")
    drop(page, folder)
    expect(page.get_by_text("Nothing can be built of it as it is")).to_be_visible()
    expect(page.get_by_text("go.mod (Go)")).to_be_visible()


def test_a_dropped_zip_is_looked_into_and_built(open_page: Open, cloud: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "dropped.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zip:
        zip.writestr("Dockerfile", DOCKERFILE)
        zip.writestr("index.html", "from a drop")
    page = open_page("/dashboard/deploy")
    page.get_by_text("Folder or archive").click()
    drop(page, file)
    expect(page.get_by_text("It is built as Dockerfile")).to_be_visible()
    page.get_by_text("Its own Dockerfile").click()
    expect(page.get_by_role("region", name="Dockerfile")).to_contain_text("EXPOSE 8080")
    expect(page.get_by_label("Port", exact=True)).to_have_attribute("placeholder", "8080")
    page.get_by_role("button", name="Build only").click()
    expect(page.locator(".page-title .state")).to_have_text("succeeded", timeout=60_000)
    (build,) = [one for one in all_builds(cloud) if one["name"] == "dropped"]
    assert build["source"]["digest"] == f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"


@pytest.mark.console_tells("400 (Bad Request)")
def test_all_that_a_build_may_say(open_page: Open, cloud: Cloud) -> None:
    page = open_page("/dashboard/deploy")
    secret = "dashboard-s3cr3t"  # noqa: S105 - to be searched for
    own = DOCKERFILE + "ARG V=none\nRUN --mount=type=secret,id=token test -s /run/secrets/token && echo arg $V\n"
    choose(page, "told.zip", archive(Dockerfile__dev=own, index__html="x"))
    page.get_by_role("button", name="Build arguments, secrets").click()
    page.get_by_role("textbox", name="Dockerfile", exact=True).fill("Dockerfile.dev")
    page.get_by_label("Platform", exact=True).fill("windows/amd64")
    page.get_by_label("Build arguments").fill("V=seven")
    page.get_by_role("button", name="Add a secret").click()
    page.get_by_label("Id of secret 1").fill("token")
    page.get_by_label("Value of secret 1").fill(secret)
    page.get_by_label("Time limit (s)").fill("90")
    page.get_by_label("Labels of the build").fill("team=web")
    page.get_by_role("button", name="Build only").click()
    platform = page.get_by_text("must be linux/ and an architecture")
    expect(platform.first).to_be_visible()
    page.get_by_label("Platform", exact=True).fill("linux/amd64")
    page.get_by_role("button", name="Build only").click()
    expect(page.locator(".page-title .state")).to_have_text(re.compile("succeeded|failed"), timeout=60_000)
    expect(page.get_by_role("log")).to_contain_text("seven")
    build = cloud.call("GET", f"/api/builds/{page.url.rsplit('/', 1)[1]}")
    assert (build["dockerfile_path"], build["args"], build["secrets"]) == ("Dockerfile.dev", {"V": "seven"}, ["token"])
    assert (build["timeout_s"], build["labels"], build["platform"]) == (90, {"team": "web"}, "linux/amd64")
    assert secret not in page.content()


def test_all_that_a_job_may_say(open_page: Open, cloud: Cloud) -> None:
    first = cloud.submit("true", name="before")
    page = open_page("/dashboard/jobs/new")
    page.get_by_role("button", name="Environment, labels").click()
    page.get_by_label("Command or script").fill("echo\n$HOME")
    page.get_by_label("The command is a list of words").check()
    page.get_by_text("Host process").click()
    page.get_by_label("Needs").fill(first)
    page.locator("input").and_(page.get_by_label("Machine", exact=True)).fill("node-1")
    page.get_by_label("Labels").fill("team=web")
    page.get_by_label("Priority").fill("70")
    expect(page.locator(".same-as code")).to_contain_text(f"--needs {first} --node node-1")
    page.get_by_role("button", name="Submit").click()
    expect(page.locator(".page-title .state")).to_have_text("succeeded", timeout=30_000)
    expect(page.get_by_role("log")).to_contain_text("$HOME")
    job = cloud.call("GET", f"/api/jobs/{page.url.rsplit('/', 1)[1]}")
    assert (job["command"], job["needs"], job["priority"]) == (["echo", "$HOME"], [first], 70)
    assert job["constraints"] == ["node.name == node-1"]


@pytest.mark.parametrize("phone", [False, True], ids=["wide", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_the_forms(open_page: Open, axe: str, tmp_path: Path, scheme: str, phone: bool) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "package.json").write_text('{"scripts": {"start": "node x.js"}}')
    page = open_page("/dashboard/deploy", phone=phone, scheme=scheme)
    page.route("**/v2/**", lambda route: None if route.request.method == "PATCH" else route.continue_())
    page.get_by_text("Folder or archive").click()
    page.get_by_label("Folder", exact=True).set_input_files(tmp_path / "web")
    expect(page.get_by_text("It is built as Node")).to_be_visible()
    page.get_by_role("button", name="Build arguments, secrets").click()
    page.get_by_role("button", name="Add a secret").click()
    found = violations(page, axe, "deploy")
    assert sideways(page) <= 0
    page.get_by_label("Id of secret 1").fill("npm")
    page.get_by_role("button", name="Deploy", exact=True).click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    found += violations(page, axe, "uploading")
    assert sideways(page) <= 0
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("The upload was cancelled")).to_be_visible()
    go(page, "/dashboard/jobs/new")
    page.get_by_role("button", name="Environment, labels").click()
    found += violations(page, axe, "jobs/new")
    assert sideways(page) <= 0
    assert found == []
