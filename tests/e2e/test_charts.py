"""Charts of machines and apps: their values are the API's, releases are marked, the range is in the address."""

import math
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from accessibility import violations
from cloud import Cloud
from playwright.sync_api import Browser, Locator, Page, expect
from test_apps import ENGINE, SERVE, put, sideways

from conftest import Open, free_port, sign_in
from draas.testing.waiting import wait_for

pytestmark = [
    pytest.mark.needs("engine", "busybox", "haproxy"),
    # Chromium gives up what it loads whenever an interface of the machine comes or goes, as with each container.
    pytest.mark.console_tells("net::ERR_NETWORK_CHANGED"),
]
MEASURED_S = 40.0  # a look at each app every 10 s, after a first one that only begins to count


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One that has an engine and an ingress."""
    folder = tmp_path_factory.mktemp("cloud")
    with Cloud(folder, free_port(), ENGINE, (free_port(), free_port())) as started:
        yield started
        started.remove_apps()


@pytest.fixture(scope="module")
def signed_in(browser: Browser, cloud: Cloud) -> dict[str, object]:
    return sign_in(browser, cloud)


@pytest.fixture(scope="module")
def site(cloud: Cloud) -> str:
    """An app with two releases that has answered requests."""
    put(cloud, "site", command=SERVE, port=8080, env={"A": "1"})
    cloud.wait_app("site", "live")
    put(cloud, "site", command=SERVE, port=8080, env={"A": "2"})
    cloud.wait_app("site", "live")
    wait_for(lambda: visit(cloud), lambda items: any(item["requests_per_s"] for item in items), "requests", MEASURED_S)
    return "site"


def visit(cloud: Cloud) -> list[Any]:
    """Ask the app a few times; what is known of it now."""
    assert cloud.ingress is not None
    for url in cloud.call("GET", "/api/apps/site")["urls"][:1] * 5:
        host = urllib.parse.urlsplit(url).netloc
        request = urllib.request.Request(f"http://127.0.0.1:{cloud.ingress[0]}/hostname", headers={"Host": host})
        try:
            urllib.request.urlopen(request, timeout=10).close()
        except urllib.error.URLError:  # the ingress has not heard of it yet
            break
    return list(cloud.call("GET", "/api/apps/site/metrics")["items"])


def chart(page: Page, label: str) -> Locator:
    """What the arrow keys go through; its text says a step."""
    return page.get_by_role("slider", name=re.compile(rf"^{re.escape(label)} over"))


def opened(open_page: Open, path: str, **how: Any) -> tuple[Page, dict[str, Any]]:
    """A page, and what its charts were told first."""
    page = open_page("/dashboard", **how)
    with page.expect_response(lambda response: "/metrics?" in response.url and response.ok) as told:
        page.goto(f"/dashboard/{path}")
    return page, told.value.json()


def bytes_text(count: float) -> str:
    """As a person would write it: three figures at most."""
    units = ["B", "KiB", "MiB", "GiB"]
    while count >= 999.5:
        count /= 1024
        units.pop(0)
    digits = 0 if units[0] == "B" or count >= 99.95 else 1 if count >= 9.995 else 2
    return f"{math.floor(count * 10**digits + 0.5) / 10**digits:g} {units[0]}"  # halves go up, as in the browser


def test_a_machines_charts_say_what_the_api_says(open_page: Open, cloud: Cloud) -> None:
    wait_for(
        lambda: cloud.call("GET", "/api/nodes/node-1/metrics")["items"],
        # The first step is over, so that it does not change any more.
        lambda items: any(item["received_bytes_per_s"] is not None for item in items[:-1]),
        "a rate of the network",
        MEASURED_S,
    )
    page, told = opened(open_page, "machines/node-1")
    first = told["items"][0]
    for label, text in (
        ("CPU", f"CPU {round(first['cpu_percent'])} %"),
        ("Memory", f"Memory {bytes_text(first['memory_used_bytes'])}"),
        ("Disk", f"Disk {bytes_text(first['disk_used_bytes'])}"),
    ):
        chart(page, label).press("Home")
        expect(chart(page, label)).to_have_attribute("aria-valuetext", re.compile(rf": {re.escape(text)}$"))
    known = next(at for at, item in enumerate(told["items"]) if item["received_bytes_per_s"] is not None)
    network = chart(page, "Network")
    network.press("Home")
    for _ in range(known):
        network.press("ArrowRight")
    rates = [bytes_text(told["items"][known][f"{way}_bytes_per_s"]) for way in ("received", "sent")]
    expect(network).to_have_attribute("aria-valuetext", re.compile(f"received {rates[0]}/s, sent {rates[1]}/s$"))


def test_an_apps_charts_say_what_the_api_says(open_page: Open, cloud: Cloud, site: str) -> None:
    page, told = opened(open_page, f"apps/{site}")
    requests = chart(page, "Requests")
    busy = next(at for at, item in enumerate(told["items"]) if item["requests_per_s"])
    requests.press("Home")
    for _ in range(busy):
        requests.press("ArrowRight")
    text = requests.get_attribute("aria-valuetext") or ""
    shown = re.search(r"all ([0-9.]+)/s, failed \(5xx\) ([0-9.]+)/s$", text)
    assert shown is not None, text
    item = told["items"][busy]
    assert float(shown[1]) == pytest.approx(item["requests_per_s"], abs=0.05)
    assert float(shown[2]) == pytest.approx(item["errors_per_s"], abs=0.05)
    expect(page.locator("figure", has_text="Replicas").locator("[data-series=wanted]")).to_contain_text("1")


def test_releases_are_marked_and_a_mark_opens_its_release(open_page: Open, cloud: Cloud, site: str) -> None:
    page, _ = opened(open_page, f"apps/{site}")
    replicas = page.locator("figure", has=chart(page, "Replicas"))
    marks = replicas.locator(".chart-mark")
    expect(marks).to_have_count(2)
    assert marks.locator(".chart-mark-name").all_inner_texts() == ["1", "2"]
    second = page.get_by_role("button", name=re.compile(r"^Release 2, live: "))
    expect(second).to_have_count(1)  # the keyboard stops at one chart's
    second.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    expect(second).to_be_focused()
    expect(second.locator(".chart-mark-told")).to_be_visible()
    page.keyboard.press("Enter")
    details = page.locator('[data-release="2"]').get_by_role("button", name="of release 2")
    expect(details).to_be_focused()
    expect(details).to_be_in_viewport()
    expect(details).to_have_attribute("aria-expanded", "true")
    steps = page.get_by_role("list", name="Steps of release 1")
    expect(steps).to_have_count(0)
    marks.filter(has_text="Release 1,").locator(".chart-mark-name").click()
    expect(steps).to_be_in_viewport()
    marks.filter(has_text="Release 1,").locator(".chart-mark-name").click()
    expect(steps).to_be_in_viewport()  # what is open stays so


def test_the_range_is_in_the_address(open_page: Open, cloud: Cloud, site: str) -> None:
    for path in ("machines/node-1", f"apps/{site}"):
        page, _ = opened(open_page, path)
        with page.expect_response(lambda response: "since=604800s" in response.url) as told:
            page.get_by_text("7 d", exact=True).click()
        assert told.value.json()["step_s"] == 900
        expect(page).to_have_url(re.compile(r"\?range=7d$"))
        expect(page.get_by_role("slider", name=re.compile("over the last 7 days")).first).to_be_visible()
        page.reload()
        expect(page.get_by_role("radio", name="7 d")).to_be_checked()
        page.get_by_role("radio", name="7 d").press("ArrowLeft")
        expect(page).to_have_url(re.compile(r"\?range=24h$"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_are_accessible_and_fit_a_phone(open_page: Open, cloud: Cloud, site: str, axe: str, scheme: str) -> None:
    found: list[str] = []
    for path in ("machines/node-1", f"apps/{site}"):
        page, _ = opened(open_page, path, phone=True, scheme=scheme)
        expect(page.get_by_role("slider").first).to_be_visible()
        found += violations(page, axe, path)
        assert sideways(page) <= 0, path
    assert found == []


def test_an_app_of_which_nothing_is_known_says_so(open_page: Open, cloud: Cloud) -> None:
    put(cloud, "worker", command="sleep 3600")
    cloud.wait_app("worker", "live")
    page = open_page("/dashboard/apps/worker")
    expect(page.get_by_text(re.compile("^Nothing was measured|^Not known: requests are counted"))).to_be_visible()
