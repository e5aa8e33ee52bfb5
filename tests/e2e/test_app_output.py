"""An app's page: what a search finds in the output of all replicas, how many connections it takes, and buttons that stop things."""

import re
from collections.abc import Iterator

import pytest
from accessibility import violations
from cloud import Cloud
from playwright.sync_api import Browser, Request, expect
from test_apps import ENGINE, put
from test_dashboard import live

from conftest import Open, free_port, sign_in

pytestmark = [pytest.mark.needs("engine", "busybox"), pytest.mark.console_tells("net::ERR_NETWORK_CHANGED")]
TELL = "i=0; while [ $i -lt 600 ]; do i=$((i+1)); [ $((i % 100)) = 50 ] && echo needle $i || echo straw $i; done; sleep 3600"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One that has an engine. What it made there is taken away after."""
    with Cloud(tmp_path_factory.mktemp("cloud"), free_port(), ENGINE) as started:
        put(started, "teller", command=TELL, replicas=2)
        started.wait_app("teller", "live")
        yield started
        started.remove_apps()


@pytest.fixture(scope="module")
def signed_in(browser: Browser, cloud: Cloud) -> dict[str, object]:
    return sign_in(browser, cloud)


@pytest.mark.parametrize("phone", [False, True], ids=["wide", "phone"])
def test_a_search_in_all_replicas_shows_what_is_around(open_page: Open, axe: str, phone: bool) -> None:
    page = open_page("/dashboard/apps/teller", phone=phone)
    expect(page.get_by_role("log")).to_contain_text("straw 600")
    page.get_by_role("log").focus()
    page.keyboard.press("/")
    page.keyboard.type("^needle [25]50$")
    expect(page.locator(".log-tools [role=status]")).to_have_text("4 matches")
    expect(page.locator(".log-row[data-hit]")).to_have_count(4)
    expect(page.locator(".log-row")).to_have_count(28)
    expect(page.locator(".log-row").filter(has_text=re.compile(r"straw 247\n?$"))).to_have_count(2)
    expect(page.locator(".log-row").filter(has_text=re.compile(r"straw 246\n?$"))).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.locator(".log-tools [role=status]")).to_have_text("1 of 4 matches")
    assert violations(page, axe, "search") == []


def test_an_apps_page_keeps_two_connections_open(open_page: Open, cloud: Cloud) -> None:
    page = open_page("/dashboard/apps")
    live(page)
    under_way: set[Request] = set()
    page.on("request", lambda request: under_way.add(request))
    page.on("requestfinished", lambda request: under_way.discard(request))
    page.on("requestfailed", lambda request: under_way.discard(request))
    page.get_by_role("link", name="teller", exact=True).click()
    expect(page.get_by_role("log")).to_contain_text("straw 600")
    live(page)
    put(cloud, "teller", command=TELL, replicas=2, env={"NEW": "1"})
    cloud.wait_app("teller", "live")
    expect(page.locator("[data-release='2']")).to_contain_text("live")
    page.wait_for_function("document.querySelectorAll('[data-replica]').length >= 2")
    streams = sorted(request.url.partition("/api/")[2].partition("?")[0] for request in under_way)
    assert streams == ["apps/teller/logs", "events"]


def test_a_job_and_a_build_are_cancelled_by_their_buttons(open_page: Open, cloud: Cloud) -> None:
    job = cloud.submit("echo begun; sleep 600", name="long")
    cloud.wait_job(job, "running")
    page = open_page(f"/dashboard/jobs/{job}")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".page-title .state")).to_have_text("cancelled")
    assert cloud.call("GET", f"/api/jobs/{job}")["state"] == "cancelled"
    build = cloud.call(
        "POST", "/api/builds", {"name": "waits", "git": "https://nowhere.invalid/x.git", "node": "nobody"}
    )
    page = open_page(f"/dashboard/deploy/{build['id']}", phone=True)
    page.get_by_role("button", name="Cancel").press("Enter")
    expect(page.locator("[data-step=building]")).to_have_attribute("data-state", "off")
    assert cloud.call("GET", f"/api/builds/{build['id']}")["state"] == "cancelled"
