"""Screenshots of every page, wide and narrow, light and dark: `python tests/e2e/screenshots.py [FOLDER [PAGE…]]`. For looking at.

PAGE is the beginning of a picture's name, such as `app`. Apps and builds are there for root, who can start an engine for them.
"""

import io
import os
import socket
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloud import ADMIN_KEY, Cloud
from playwright.sync_api import Browser, expect, sync_playwright
from push import push_image

from draas.testing.certificates import TestAuthority
from draas.testing.engine import PrivateEngine

SIZES = {"wide": (1440, 900), "phone": (390, 844)}
CHROMIUM = "/usr/bin/chromium"
IMAGE = "draas/busybox:latest"


def fill(cloud: Cloud) -> dict[str, str]:
    """A little of everything; ids of jobs by what became of them."""
    ids = {
        "done": cloud.submit(
            "for n in 1 2 3 4 5; do echo line $n; done; echo oops >&2", name="resize-images", labels={"team": "web"}
        ),
        "failed": cloud.submit("echo 'cannot open input.csv' >&2; exit 3", name="nightly-report"),
    }
    for number in range(30):
        cloud.submit("true", name=f"step-{number}")
    push_image(cloud, "default/shop:v1", bytes(40_000))
    push_image(cloud, "default/shop:v2", bytes(90_000))
    cloud.submit("true", name="uses-an-image", image="draas.internal/default/shop:v2", runtime="docker")
    ids["output"] = cloud.submit(
        r"seq -f 'line %.0f' 1 900; printf '\033[32mok\033[0m \033[1;31mbad\033[0m\nWARN slow\n{\"level\":\"error\"}\n'",
        name="long-output",
    )
    before = [cloud.submit("true", name=name) for name in ("fetch", "clean")]
    middle = cloud.submit("sleep 600", name="train", needs=before)
    ids["needs"] = cloud.submit("true", name="report", needs=[middle])
    cloud.wait_job(ids["output"], "succeeded")
    cloud.wait_job(ids["done"], "succeeded")
    cloud.wait_job(ids["failed"], "failed")
    ids["running"] = cloud.submit("while :; do date; sleep 1; done", name="watcher")
    ids["queued"] = cloud.submit("true", name="too-big", resources={"cpu_cores": 500, "memory_mb": 64})
    cloud.wait_job(ids["running"], "running")
    return ids


def fill_settings(cloud: Cloud) -> None:
    """Keys of several kinds, logins, certificates."""
    for role, name, project, ttl_s in (
        ("viewer", "wall display", None, None),
        ("deployer", "ci", "web", 90 * 86_400),
        ("deployer", "ada's laptop", None, None),
        ("admin", "grace", None, 30 * 86_400),
    ):
        cloud.call("POST", "/api/keys", {"role": role, "name": name, "project": project, "ttl_s": ttl_s})
    for host, user, project in (("ghcr.io", "ada", "default"), ("registry.example:5000", "ci-pull", "web")):
        cloud.call("PUT", f"/api/registries/{host}", {"username": user, "password": "x", "project": project})
    for host, days in (("shop.example.org", 60), ("*.apps.example.org", 9)):
        chain, key = TestAuthority().sign(host, days=days)
        cloud.call("PUT", f"/api/certificates/{host}", {"chain": chain, "key": key})


@contextmanager
def engine_for(folder: Path) -> Iterator[str | None]:
    """The address of an engine of our own; within the block everything starts in its network, where containers can be reached. None without root."""
    if os.geteuid() != 0:
        yield None
        return
    engine = PrivateEngine(folder)
    try:
        engine.start()
        with engine.inside():
            yield engine.url
    finally:
        engine.close()


def fill_apps(cloud: Cloud) -> dict[str, str]:
    """Apps that are live, scale, fail and wait for a decision; builds that did what they should, and not."""
    small, quick = {"cpu_cores": 0.05, "memory_mb": 32}, {"healthy_after_s": 0.2, "drain_s": 0, "deadline_s": 5}
    serve = 'while :; do echo "GET / 200 $((RANDOM % 90)) ms"; sleep 2; done & busybox httpd -f -p 8080 -h /etc'

    def put(name: str, **fields: object) -> None:
        body = {"image": IMAGE, "port": 8080, "command": serve, "resources": small, "deploy": quick, **fields}
        cloud.call("PUT", f"/api/apps/{name}", body)

    put("shop", env={"GREETING": "hello"}, domains=["shop.example.org"])
    put("api", replicas=1)
    cloud.wait_app("shop", "live")
    rules = {"requests_per_s": 50, "cpu_percent": 70}
    put("shop", env={"GREETING": "good day", "CURRENCY": "EUR"}, replicas={"min": 2, "max": 6}, autoscale=rules)
    cloud.wait_app("shop", "live")
    cloud.wait_app("api", "live")
    put("api", command="echo 'config.toml: no such file' >&2; exit 3")
    put("mail", port=2525, command="echo started; sleep 3600")
    put("web")
    cloud.wait_app("web", "live")
    put("web", env={"NEW": "1"}, deploy={**quick, "canary": {"replicas": 1}})
    cloud.wait_app("api", "live", "degraded")
    cloud.wait_app("mail", "failed")
    good = cloud.build("site", packed({"Dockerfile": f"FROM {IMAGE}\nEXPOSE 8080\nRUN echo hello > /hello\n"}))
    bad = cloud.build("site", packed({"Dockerfile": f"FROM {IMAGE}\nRUN echo compiling; cc main.c\n"}))
    return {"build": good["id"], "build-failed": bad["id"]}


def packed(files: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zip:
        for name, text in files.items():
            zip.writestr(name, text)
    return out.getvalue()


def app_pages(ids: dict[str, str]) -> dict[str, str]:
    return {
        "apps": "/dashboard/apps",
        "app": "/dashboard/apps/shop?from=1&to=2",
        "app-failed": "/dashboard/apps/api",
        "app-never-live": "/dashboard/apps/mail",
        "app-canary": "/dashboard/apps/web",
        "deploy": "/dashboard/deploy",
        "deploy-again": "/dashboard/deploy?app=shop",
        "builds": "/dashboard/builds",
        "build": f"/dashboard/builds/{ids['build']}",
        "build-failed": f"/dashboard/builds/{ids['build-failed']}",
        "deployment": f"/dashboard/deploy/{ids['build']}",
        "deployment-failed": f"/dashboard/deploy/{ids['build-failed']}",
    }


def pages(ids: dict[str, str]) -> dict[str, str]:
    return {
        "overview": "/dashboard",
        "machines": "/dashboard/machines",
        "machine": "/dashboard/machines/node-1",
        "jobs": "/dashboard/jobs",
        "jobs-none": "/dashboard/jobs?name=nothing",
        "job-done": f"/dashboard/jobs/{ids['done']}",
        "job-failed": f"/dashboard/jobs/{ids['failed']}",
        "job-queued": f"/dashboard/jobs/{ids['queued']}",
        "job-output": f"/dashboard/jobs/{ids['output']}#L1.901",
        "job-needs": f"/dashboard/jobs/{ids['needs']}",
        "images": "/dashboard/images",
        "events": "/dashboard/events",
        "job-new": "/dashboard/jobs/new",
        "settings": "/dashboard/settings",
        "settings-keys": "/dashboard/settings/keys",
        "settings-keys-new": "/dashboard/settings/keys?new=true",
        "settings-registries": "/dashboard/settings/registries",
        "settings-registries-new": "/dashboard/settings/registries?new=true",
        "settings-certificates": "/dashboard/settings/certificates",
        "settings-certificates-new": "/dashboard/settings/certificates?new=true",
        "not-found": "/dashboard/nowhere",
    }


def shoot(browser: Browser, cloud: Cloud, shown: dict[str, str], folder: Path) -> None:
    for scheme in ("light", "dark"):
        for size, (width, height) in SIZES.items():
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            page = context.new_page()
            page.on("console", lambda message: print(message.type, message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: print("pageerror", error))
            page.goto(cloud.url)
            page.get_by_label("Key", exact=True).wait_for()
            page.screenshot(path=folder / f"sign-in-{size}-{scheme}.png")
            page.get_by_label("Key", exact=True).fill(ADMIN_KEY)
            page.get_by_role("button", name="Sign in").click()
            page.locator(".connection[data-connection=live]").wait_for()
            for name, path in shown.items():
                page.goto(cloud.url + path)
                page.locator("h1").wait_for()
                expect(page.locator("[aria-busy=true]")).to_have_count(0)
                page.wait_for_timeout(250)  # fonts and charts are drawn; a picture asserts nothing
                page.screenshot(path=folder / f"{name}-{size}-{scheme}.png", full_page=size == "phone")
            context.close()


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots")
    wanted = tuple(sys.argv[2:]) or ("",)
    folder.mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with (
        tempfile.TemporaryDirectory() as home,
        engine_for(Path(home)) as engine,
        Cloud(Path(home), port, engine) as cloud,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        fill_settings(cloud)
        shown = pages(fill(cloud)) | (app_pages(fill_apps(cloud)) if engine else {})
        shoot(browser, cloud, {name: path for name, path in shown.items() if name.startswith(wanted)}, folder)
        browser.close()


if __name__ == "__main__":
    main()
