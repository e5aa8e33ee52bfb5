"""Apps and builds in the dashboard: deployed, followed, changed and looked at, in a real browser on a real Docker Engine."""

import io
import os
import re
import subprocess
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from accessibility import violations
from cloud import Cloud
from playwright.sync_api import Browser, Locator, Page, expect
from test_dashboard import PAYLOADS, live

from conftest import Open, free_port, go, sign_in

pytestmark = [
    pytest.mark.needs("engine", "busybox"),
    # Chromium gives up what it loads whenever an interface of the machine comes or goes, as with each container.
    pytest.mark.console_tells("net::ERR_NETWORK_CHANGED"),
]

ENGINE = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
IMAGE = "draas/busybox:latest"  # agents make it themselves where it is not there
SERVE = "busybox httpd -f -p 8080 -h /etc"
QUICK = {"healthy_after_s": 0.2, "drain_s": 0}
DOCKERFILE = (
    f'FROM {IMAGE}\nEXPOSE 8080\nCOPY index.html /www/\nCMD ["busybox", "httpd", "-f", "-p", "8080", "-h", "/www"]\n'
)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One that has an engine. What it made there is taken away after."""
    with Cloud(tmp_path_factory.mktemp("cloud"), free_port(), ENGINE) as started:
        yield started
        started.remove_apps()
        built = {build["image"].split("/", 1)[1].split("@")[0] for build in all_builds(started) if build["image"]}
    remove_images(built)


def all_builds(cloud: Cloud) -> list[Any]:
    return list(cloud.call("GET", "/api/builds")["items"])


def remove_images(repositories: set[str]) -> None:
    """Those that this cloud's builds left on the engine, by PROJECT/NAME."""
    words = ["docker", "-H", ENGINE, "images", "--format", "{{.Repository}} {{.ID}}"]
    listed = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout
    pairs = [line.split() for line in listed.splitlines()]
    found = {id for name, id in pairs if re.match(r"127\.0\.0\.1:\d+/", name) and name.split("/", 1)[1] in repositories}
    if found:
        subprocess.run(["docker", "-H", ENGINE, "rmi", "-f", *found], capture_output=True, check=False, timeout=60)


@pytest.fixture(scope="session")
def signed_in(browser: Browser, cloud: Cloud) -> dict[str, object]:
    return sign_in(browser, cloud)


@pytest.fixture(scope="session")
def site(cloud: Cloud) -> str:
    """An app that serves, by the API."""
    put(cloud, "site", command=SERVE, port=8080, env={"A": "1"})
    cloud.wait_app("site", "live")
    return "site"


@pytest.fixture(scope="session")
def built(cloud: Cloud) -> Any:
    """A build that has an image, by the API."""
    build = cloud.build("built", archive(Dockerfile=DOCKERFILE, index__html="by the API"))
    assert build["state"] == "succeeded", build
    return build


def put(cloud: Cloud, name: str, **fields: Any) -> Any:
    small = {"cpu_cores": 0.05, "memory_mb": 32}
    return cloud.call("PUT", f"/api/apps/{name}", {"image": IMAGE, "resources": small, "deploy": QUICK, **fields})


def archive(**files: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zip:
        for name, text in files.items():
            zip.writestr(name.replace("__", "."), text)
    return out.getvalue()


def state_of(page: Page) -> Locator:
    return page.locator(".page-title .state")


def step(page: Page, name: str) -> Locator:
    return page.locator(f"[data-step={name}]")


def sideways(page: Page) -> int:
    """By how many pixels the page is wider than what shows it."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def serves(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return str(answer.read().decode())


@pytest.mark.console_tells("404 (Not Found)")  # what was asked for while it went
def test_an_app_from_an_image_by_mouse_to_live_scaled_and_rolled_back(open_page: Open, cloud: Cloud) -> None:
    page = open_page("/dashboard/apps")
    page.get_by_role("link", name="Deploy an app").click()
    page.get_by_label("Image", exact=True).fill(IMAGE)
    expect(page.get_by_label("Name", exact=True)).to_have_value("busybox")
    page.get_by_label("Name", exact=True).fill("Shop")
    expect(page.get_by_text("Lower-case letters only.")).to_be_visible()
    page.get_by_label("Name", exact=True).fill("shop")
    expect(page.get_by_text("shop is free")).to_be_visible()
    page.get_by_label("Port").fill("8080")
    page.get_by_role("button", name="Environment, health").click()
    page.get_by_label("Command", exact=True).fill(SERVE)
    page.get_by_label("CPU cores each").fill("0.05")
    page.get_by_label("Memory each (MiB)").fill("32")
    page.get_by_role("button", name="Deploy", exact=True).click()
    expect(page.get_by_role("heading", name="shop", exact=True)).to_be_visible()
    expect(state_of(page)).to_have_text("live")
    app = cloud.call("GET", "/api/apps/shop")
    address = page.get_by_role("link", name=app["urls"][0])
    assert serves(str(address.get_attribute("href")) + "passwd")

    # The same containers with a quick roll-out: what follows need not wait for the usual settling time.
    cloud.call("PUT", "/api/apps/shop", {**app["spec"], "deploy": {**app["spec"]["deploy"], **QUICK}})
    expect(page.locator("[data-release='2']")).to_contain_text("live")

    page.get_by_role("button", name="Scale…").click()
    page.get_by_role("textbox", name="Replicas").fill("2")
    page.get_by_role("button", name="Scale", exact=True).click()
    expect(page.locator("[data-replica] .state[data-state=healthy]")).to_have_count(2)
    expect(page.get_by_text("2 of 2 healthy, on 1 machine")).to_be_visible()

    page.get_by_role("link", name="Deploy a new version").click()
    expect(page.get_by_label("Image", exact=True)).to_have_value(IMAGE)
    page.get_by_role("button", name="Environment, health").click()
    page.get_by_label("Environment").fill("GREETING=hello")
    page.get_by_role("button", name="Deploy", exact=True).click()
    expect(page.locator("[data-release='3']")).to_contain_text("live")
    page.get_by_role("button", name="Details of release 3").click()
    expect(page.get_by_role("region", name="Release 2 and 3")).to_contain_text("env GREETING")

    page.get_by_role("button", name="Roll back to 2…").click()
    page.get_by_role("button", name="Roll back", exact=True).click()
    expect(page.locator("[data-release='4']")).to_contain_text("live")
    now = cloud.call("GET", "/api/apps/shop")
    assert (now["releases"][0]["rollback_of"], now["spec"]["env"], now["release"]) == (2, {}, 4)
    cloud.wait_app("shop", "live")

    page.get_by_role("button", name="Restart…").click()
    page.get_by_role("button", name="Restart", exact=True).click()
    before = {replica["number"] for replica in now["replicas"]}
    expect(page.locator(f"[data-replica='{max(before) + 1}']")).to_be_visible()
    page.get_by_role("button", name="Remove…").click()
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_text("It has been removed.")).to_be_visible()


def test_a_zip_is_uploaded_built_and_goes_live_in_one_timeline(open_page: Open, cloud: Cloud) -> None:
    page = open_page("/dashboard/deploy")
    page.get_by_text("Folder or archive").click()
    content = archive(Dockerfile=DOCKERFILE, index__html="from a zip")
    page.get_by_label("Archive", exact=True).set_input_files({"name": "zipped.zip", "mimeType": "", "buffer": content})
    expect(page.get_by_text("It is built as Dockerfile.")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("zipped")
    page.get_by_role("button", name="Deploy", exact=True).click()
    expect(page).to_have_url(re.compile(r"/dashboard/deploy/b-[0-9a-z]+$"))
    expect(page.get_by_text("zipped is live")).to_be_visible(timeout=60_000)
    for name in ("source", "queued", "building", "rolling", "live"):
        expect(step(page, name)).to_have_attribute("data-state", "done")
    app = cloud.wait_app("zipped", "live")
    id = page.url.rsplit("/", 1)[1]
    assert app["spec"]["labels"]["draas.build"] == id
    assert app["spec"]["port"] == 8080, "that of EXPOSE"
    assert serves(app["urls"][0]) == "from a zip"
    page.reload()
    expect(page.get_by_text("zipped is live")).to_be_visible()
    page.get_by_role("link", name=f"Build {id}").click()
    build = cloud.call("GET", f"/api/builds/{id}")
    expect(state_of(page)).to_have_text("succeeded")
    expect(page.get_by_role("code").filter(has_text=build["image"])).to_be_visible()
    expect(page.get_by_role("log")).to_contain_text("recognised: Dockerfile")
    expect(page.get_by_role("link", name="Deploy the image")).to_have_count(0)  # it is
    page.get_by_role("main").get_by_role("link", name="zipped").click()
    expect(page.get_by_role("heading", name="zipped", exact=True)).to_be_visible()


def test_a_folder_is_packed_in_the_browser_and_a_failed_build_says_why(
    open_page: Open, cloud: Cloud, tmp_path: Path
) -> None:
    folder = tmp_path / "my folder"
    (folder / "node_modules" / "huge").mkdir(parents=True)
    (folder / "node_modules" / "huge" / "index.js").write_text("left out")
    (folder / "Dockerfile").write_text(f"FROM {IMAGE}\nCOPY . /all\nRUN ls -R /all && cat '/all/a b.txt' && exit 7\n")
    (folder / "a b.txt").write_text("packed here")
    page = open_page("/dashboard/deploy")
    page.get_by_text("Folder or archive").click()
    page.get_by_label("Folder", exact=True).set_input_files(folder)
    expect(page.get_by_text("1 file left out")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("my-folder")
    page.get_by_role("button", name="Deploy", exact=True).click()
    expect(step(page, "building")).to_have_attribute("data-state", "failed", timeout=60_000)
    expect(page.get_by_role("log")).to_contain_text("packed here")
    expect(page.get_by_role("log")).not_to_contain_text("left out")
    expect(page.get_by_role("button", name="Build again")).to_be_visible()
    with pytest.raises(urllib.error.HTTPError):
        cloud.call("GET", "/api/apps/my-folder")
    go(page, "/dashboard/builds?name=my-folder")
    expect(page.locator(".table-row")).to_have_count(1)
    expect(page.locator(".table-row")).to_contain_text("failed")
    page.locator(".table-row a").click()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete it").click()
    expect(page).to_have_url(re.compile(r"/dashboard/builds$"))
    assert "my-folder" not in [build["name"] for build in all_builds(cloud)]


def test_an_app_by_keyboard_alone(open_page: Open, cloud: Cloud) -> None:
    page = open_page("/dashboard")
    live(page)
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Go to")).to_be_focused()
    page.keyboard.type("deploy")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Image", exact=True)).to_be_focused()
    page.keyboard.type(IMAGE)
    for label in ("Name", "Port", "Replicas"):
        page.keyboard.press("Tab")
        expect(page.get_by_label(label, exact=True)).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Environment")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type("sleep 3600")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="busybox", exact=True)).to_be_visible()
    expect(state_of(page)).to_have_text("live")
    assert cloud.call("GET", "/api/apps/busybox")["spec"]["command"] == "sleep 3600"
    cloud.call("DELETE", "/api/apps/busybox")


def test_a_release_that_fails_is_open_with_its_cause_and_output(open_page: Open, cloud: Cloud, site: str) -> None:
    page = open_page(f"/dashboard/apps/{site}")
    live(page)
    put(cloud, site, command="echo no config found; exit 3", port=8080)
    expect(page.get_by_role("alert")).to_contain_text("Release 2 failed; release 1 serves on", timeout=45_000)
    expect(page.get_by_role("alert")).to_contain_text("Its output says why")
    failed = page.locator("[data-release='2']")
    expect(failed.locator("[data-step=rolling]")).to_have_attribute("data-state", "failed")
    reason = cloud.call("GET", f"/api/apps/{site}")["releases"][0]["reason"]
    expect(failed.locator("[data-step=rolling]")).to_contain_text(reason)
    expect(failed.get_by_role("log")).to_contain_text("no config found")
    expect(failed.get_by_role("region", name="Release 1 and 2")).to_contain_text("env A")
    put(cloud, site, command=SERVE, port=8080, env={"A": "1"})
    cloud.wait_app(site, "live")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_canary_waits_for_a_decision(open_page: Open, cloud: Cloud, site: str) -> None:
    canary = {**QUICK, "canary": {"replicas": 1}}
    put(cloud, site, command=SERVE, port=8080, env={"A": "canary"}, deploy=canary)
    page = open_page(f"/dashboard/apps/{site}")
    page.get_by_role("button", name="Abort").click()
    expect(page.get_by_role("alert").first).to_contain_text("the canary was aborted")
    put(cloud, site, command=SERVE, port=8080, env={"A": "again"}, deploy=canary)
    page.get_by_role("button", name="Promote to all").click()
    expect(page.get_by_role("button", name="Promote to all")).to_have_count(0)
    assert cloud.wait_app(site, "live")["spec"]["env"] == {"A": "again"}


def test_what_is_shown_is_what_the_api_says(open_page: Open, cloud: Cloud, site: str, built: Any) -> None:
    app = cloud.wait_app(site, "live")
    page = open_page("/dashboard/apps")
    row = page.locator(".table-row", has=page.get_by_role("link", name=site, exact=True))
    for told in (app["state"], f"{app['healthy']}/{app['wanted']}", str(app["release"]), app["image"]):
        expect(row).to_contain_text(told)
    page.get_by_role("link", name=site, exact=True).click()
    for replica in app["replicas"]:
        shown = page.locator(f"[data-replica='{replica['number']}']")
        for told in (replica["health"], replica["node"], str(replica["release"]), replica["address"]):
            expect(shown).to_contain_text(told)
    for release in app["releases"]:
        expect(page.locator(f"[data-release='{release['number']}']")).to_contain_text(release["state"])
    expect(page.locator(".same-as code")).to_have_text(f"draas apps show {site}")
    page.locator(".section", has=page.get_by_role("heading", name="Explain")).get_by_role("button").click()
    expect(page.get_by_text(cloud.call("GET", f"/api/apps/{site}/explain")["summary"]).first).to_be_visible()
    go(page, "/dashboard/builds?name=built")
    for told in (built["name"], built["state"], built["kind"], built["node"]):
        expect(page.locator(".table-row").first).to_contain_text(told)


@pytest.mark.console_tells("401 (Unauthorized)")
def test_a_viewer_is_offered_no_deployment(open_page: Open, cloud: Cloud, site: str, built: Any) -> None:
    build = built["id"]
    made = cloud.call("POST", "/api/keys", {"role": "viewer", "name": "looks only"})
    page = open_page("/dashboard/sign-in", signed_out=True)
    page.get_by_label("Key", exact=True).fill(made["key"])
    page.get_by_role("button", name="Sign in").click()
    live(page)
    offers = re.compile("Deploy|Scale|Restart|Remove|Roll back|Promote|Abort|Cancel|Build again|Delete", re.IGNORECASE)
    for path in ("apps", f"apps/{site}", "builds", f"builds/{build}", f"deploy/{build}", "deploy"):
        go(page, f"/dashboard/{path}")
        expect(page.locator("h1")).to_be_visible()
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        expect(page.get_by_role("button", name=offers)).to_have_count(0)
        expect(page.get_by_role("main").get_by_role("link", name=offers)).to_have_count(0)
    expect(page.get_by_text("Your key may look, not deploy.")).to_be_visible()
    cloud.call("DELETE", f"/api/keys/{made['id']}")


def test_hostile_settings_and_lines_run_no_script(open_page: Open, cloud: Cloud) -> None:
    env = {f"P{at}": payload for at, payload in enumerate(PAYLOADS)}
    told = "; ".join(f'echo "$P{at}"' for at in range(len(PAYLOADS)))
    put(cloud, "hostile", command=f"{told}; sleep 3600", env=env, labels={"x": PAYLOADS[0]})
    form = {
        "name": "hostile",
        "git": "https://nowhere.invalid/x.git",
        "args": env,
        "constraints": ["node.name == nobody"],
    }
    build = cloud.call("POST", "/api/builds", form)["id"]
    page = open_page("/dashboard/apps/hostile")
    for payload in PAYLOADS:
        expect(page.get_by_role("log")).to_contain_text(payload)
        expect(page.get_by_role("main")).to_contain_text(payload)
    go(page, f"/dashboard/builds/{build}")
    expect(page.get_by_role("heading", name="Why it waits")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text(PAYLOADS[1])
    page.get_by_role("button", name="Cancel").click()
    expect(state_of(page)).to_have_text("cancelled")
    go(page, "/dashboard/builds")
    live(page)
    assert page.evaluate("window.hurt") is None
    cloud.call("DELETE", "/api/apps/hostile")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("phone", [False, True], ids=["wide", "phone"])
def test_everybody_can_use_it(open_page: Open, axe: str, site: str, built: Any, scheme: str, phone: bool) -> None:
    build = built["id"]
    found = []
    page = open_page("/dashboard/apps", phone=phone, scheme=scheme)
    for path in ("apps", f"apps/{site}?from=1&to=2", "builds", f"builds/{build}", f"deploy/{build}", "deploy"):
        go(page, f"/dashboard/{path}")
        expect(page.locator("h1")).to_be_visible()
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        live(page)
        assert sideways(page) <= 0, path
        if path == "deploy":
            page.get_by_text("Folder or archive").click()
            page.get_by_role("button", name="Environment, health").click()
        elif path.startswith("apps/"):
            page.get_by_role("button", name="of release").first.click()
        found += violations(page, axe, path)
        assert sideways(page) <= 0, path
    assert found == []
