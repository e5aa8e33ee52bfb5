"""What people do with the dashboard, in a real browser against a real controller and agent."""

import re

import pytest
from accessibility import violations
from cloud import ADMIN_KEY, Cloud
from playwright.sync_api import Page, expect

from conftest import Open


def live(page: Page) -> None:
    expect(page.locator(".connection")).to_have_attribute("data-connection", "live")


def test_signing_in_by_key_leads_to_where_one_wanted_to_go(open_page: Open) -> None:
    page = open_page("/dashboard/jobs?state=failed", signed_out=True)
    expect(page).to_have_url(re.compile(r"/dashboard/sign-in\?next="))
    page.get_by_label("Key", exact=True).fill(ADMIN_KEY)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/dashboard/jobs\?state=failed$"))
    live(page)
    page.get_by_label("Account and theme").click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_label("Key", exact=True)).to_be_visible()
    assert page.context.request.get("/api/jobs").status == 401


def test_the_link_signs_in_once_and_leaves_no_token_behind(open_page: Open, cloud: Cloud) -> None:
    cloud.stop()
    cloud.start()  # each start prints a link
    page = open_page(cloud.link, signed_out=True)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    live(page)
    assert "token" not in page.url
    assert page.evaluate("document.cookie") == "", "no script can read the session"
    page.go_back()
    assert "token" not in page.url


def test_the_overview_tells_the_truth(open_page: Open, cloud: Cloud) -> None:
    page = open_page("/")
    expect(page).to_have_url(re.compile(r"/dashboard$"))
    live(page)
    expect(page.locator("main .sentence")).to_have_text(re.compile(r"^1 machine, .* all healthy\.$"))
    id = cloud.submit("sleep 60", name="seen-live")
    expect(page.locator("main .sentence")).to_contain_text("1 job running")
    expect(page.get_by_role("link", name="seen-live").first).to_be_visible()
    cloud.call("POST", f"/api/jobs/{id}/cancel")
    expect(page.locator("main .sentence")).to_contain_text("no job running")


def test_a_job_that_fits_no_machine_is_named_with_its_remedy_until_it_is_gone(open_page: Open, cloud: Cloud) -> None:
    page = open_page("/dashboard")
    live(page)
    id = cloud.submit("true", name="too-big", resources={"cpu_cores": 500, "memory_mb": 64})
    told = page.locator("main .sentence")
    expect(told).to_have_text(re.compile(r"^Job too-big fits no machine"))
    expect(told).to_have_attribute("data-tone", "bad")
    expect(page.get_by_text("needs 500 cores")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="Job too-big fits no machine.").press("Enter")
    expect(page).to_have_url(re.compile(f"/dashboard/jobs/{id}$"))
    cloud.call("POST", f"/api/jobs/{id}/cancel")
    expect(page.locator("header .sentence")).to_have_text(re.compile("all healthy"))


def test_a_job_by_mouse(open_page: Open, cloud: Cloud) -> None:
    page = open_page("/dashboard/jobs")
    page.get_by_role("link", name="Submit a job").click()
    page.get_by_label("Command or script").fill("for n in 1 2 3; do echo line $n; done; exit 4")
    page.get_by_label("Name", exact=True).fill("by-mouse")
    page.get_by_label("CPU cores").fill("0.1")
    page.get_by_label("Memory (MiB)").fill("32")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("heading", name="by-mouse")).to_be_visible()
    expect(page.get_by_role("log")).to_have_text("line 1\nline 2\nline 3\n")
    expect(page.locator(".page-title .state")).to_have_text("failed")
    expect(page.get_by_role("alert")).to_contain_text("It ended with exit code 4.")
    id = page.url.rsplit("/", 1)[1]
    assert cloud.call("GET", f"/api/jobs/{id}")["exit_code"] == 4
    page.get_by_role("button", name="Run again").click()
    expect(page.get_by_role("heading", name="2 attempts")).to_be_visible()
    cloud.wait_job(id, "failed")
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete it").click()
    expect(page).to_have_url(re.compile(r"/dashboard/jobs$"))


def test_a_job_by_keyboard_alone(open_page: Open) -> None:
    page = open_page("/dashboard")
    live(page)
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Go to")).to_be_focused()
    page.keyboard.type("submit")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Command or script")).to_be_focused()
    page.keyboard.type("echo typed")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("log")).to_have_text("typed\n")
    expect(page.locator(".page-title .state")).to_have_text("succeeded")


def test_what_is_wrong_is_told_at_its_field(open_page: Open) -> None:
    page = open_page("/dashboard/jobs/new")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_label("Command or script")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_text("Say what to run.")).to_be_visible()


def test_filters_are_in_the_address(open_page: Open, cloud: Cloud) -> None:
    done = cloud.submit("true", name="filter-me", labels={"team": "a b"})
    cloud.submit("true", name="filter-other")
    cloud.wait_job(done, "succeeded")
    page = open_page("/dashboard/jobs")
    page.get_by_label("Name", exact=True).fill("filter-me")
    expect(page).to_have_url(re.compile(r"name=filter-me"))
    rows = page.locator(".table-row")
    expect(rows).to_have_count(1)
    page.get_by_label("Label").fill("team=a b")
    expect(page).to_have_url(re.compile(r"label="))
    page.reload()
    expect(rows).to_have_count(1)
    expect(page.locator(".same-as code")).to_have_text("draas jobs list --name filter-me --label 'team=a b'")
    page.get_by_role("link", name="Clear").click()
    expect(page).to_have_url(re.compile(r"/dashboard/jobs$"))
    expect(rows.filter(has_text="filter-other")).to_have_count(1)


def test_a_machine_is_drained_and_taken_back(open_page: Open, cloud: Cloud) -> None:
    page = open_page("/dashboard/machines")
    page.get_by_role("link", name="node-1").click()
    expect(page.locator("canvas").first).to_be_visible()
    page.get_by_role("button", name="Drain…").click()
    expect(page.get_by_text("It gets no new work until it is taken back.")).to_be_visible()
    page.get_by_role("button", name="Drain it").click()
    expect(page.locator(".page-title .state")).to_have_text("draining")
    expect(page.locator(".shell-sentence")).to_have_text("No machine takes new work.")
    page.get_by_role("button", name="Take back").click()
    expect(page.locator(".page-title .state")).to_have_text("ready")
    assert cloud.call("GET", "/api/nodes/node-1")["state"] == "ready"


@pytest.mark.console_tells("net::ERR_", "Failed to load resource")
def test_a_controller_that_comes_back_loses_nothing_on_screen(open_page: Open, cloud: Cloud) -> None:
    page = open_page("/dashboard/jobs")
    live(page)
    before = cloud.submit("true", name="before-the-cut")
    cloud.wait_job(before, "succeeded")
    expect(page.locator(".table-row", has_text="before-the-cut")).to_contain_text("succeeded")
    cloud.stop()
    expect(page.locator(".connection")).to_have_attribute("data-connection", "reconnecting")
    expect(page.locator(".table-row", has_text="before-the-cut")).to_be_visible()
    cloud.start()
    after = cloud.submit("true", name="after-the-cut")
    live(page)
    cloud.wait_job(after, "succeeded")
    expect(page.locator(".table-row", has_text="after-the-cut")).to_contain_text("succeeded")


def test_the_theme_is_kept(open_page: Open) -> None:
    page = open_page("/dashboard", scheme="light")
    page.get_by_label("Account and theme").click()
    page.get_by_role("menuitem", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")


@pytest.mark.console_tells("401 (Unauthorized)")
def test_a_viewer_is_offered_nothing_that_would_be_refused(open_page: Open, cloud: Cloud) -> None:
    done = cloud.submit("true", name="viewed")
    cloud.wait_job(done, "succeeded")
    made = cloud.call("POST", "/api/keys", {"role": "viewer", "name": "looks only"})
    page = open_page("/dashboard/sign-in", signed_out=True)
    page.get_by_label("Key", exact=True).fill(made["key"])
    page.get_by_role("button", name="Sign in").click()
    live(page)
    for path in (
        "/dashboard",
        "/dashboard/jobs",
        f"/dashboard/jobs/{done}",
        "/dashboard/machines",
        "/dashboard/machines/node-1",
    ):
        page.goto(path)
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        expect(page.locator("h1")).to_be_visible()
        for word in ("Submit", "Run again", "Run with", "Delete", "Cancel", "Drain", "Add a machine"):
            expect(page.get_by_role("button", name=word)).to_have_count(0)
            expect(page.get_by_role("link", name=word)).to_have_count(0)
    cloud.call("DELETE", f"/api/keys/{made['id']}")
    expect(page.get_by_label("Key", exact=True)).to_be_visible()  # revoked: signed out at once


def test_the_first_load_is_small(open_page: Open) -> None:
    """All that the overview takes before it is drawn, heads of answers included, as gzip: what browsers take without TLS."""
    page = open_page("about:blank")
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setExtraHTTPHeaders", {"headers": {"Accept-Encoding": "gzip"}})
    urls: dict[str, str] = {}
    sizes: dict[str, int] = {}
    session.on("Network.responseReceived", lambda told: urls.update({told["requestId"]: told["response"]["url"]}))
    session.on("Network.loadingFinished", lambda told: sizes.update({told["requestId"]: told["encodedDataLength"]}))
    page.goto("/dashboard")
    expect(page.locator("main .sentence")).to_be_visible()
    page.wait_for_load_state("load")
    files = {urls[id]: size for id, size in sizes.items() if "/dashboard" in urls.get(id, "")}
    assert len(files) >= 4, files  # the page, start.js, a script, its styles
    assert sum(files.values()) < 200_000, files


PAYLOADS = [
    "<script>window.hurt=1</script>",
    "<img src=x onerror=window.hurt=1>",
    '"><svg onload=window.hurt=1>',
    "javascript:window.hurt=1",
    "{{constructor.constructor('window.hurt=1')()}}",
    "</title><script>window.hurt=1</script>",
    "\u202eevil\u2066",
    "'-window.hurt-'",
]


def test_hostile_names_and_output_run_no_script(open_page: Open, cloud: Cloud) -> None:
    ids = []
    for payload in PAYLOADS:
        quoted = payload.replace("'", "'\\''")
        ids.append(cloud.submit(f"echo '{quoted}'", name=payload, labels={"x": payload}, env={"P": payload}))
    for id in ids:
        cloud.wait_job(id, "succeeded")
    page = open_page("/dashboard/jobs")
    expect(page.locator(".table-row")).not_to_have_count(0)
    for payload, id in zip(PAYLOADS, ids, strict=True):
        page.goto(f"/dashboard/jobs/{id}")
        expect(page.get_by_role("log")).to_have_text(f"{payload}\n")
        expect(page.locator("h1")).to_have_text(payload)
    page.goto("/dashboard")
    live(page)
    assert page.evaluate("window.hurt") is None


PAGES = (
    "/dashboard",
    "/dashboard/machines",
    "/dashboard/machines/node-1",
    "/dashboard/jobs",
    "/dashboard/jobs/new",
    "JOB",
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("phone", [False, True], ids=["wide", "phone"])
def test_everybody_can_use_it(open_page: Open, cloud: Cloud, axe: str, scheme: str, phone: bool) -> None:
    id = cloud.submit("echo out; echo err >&2; exit 1", name="for-all")
    cloud.wait_job(id, "failed")
    found = []
    page = open_page("/dashboard/sign-in", phone=phone, scheme=scheme, signed_out=True)
    expect(page.get_by_label("Key", exact=True)).to_be_visible()
    found += violations(page, axe, "sign-in")
    page = open_page("/dashboard", phone=phone, scheme=scheme)
    for path in PAGES:
        page.goto(path.replace("JOB", f"/dashboard/jobs/{id}"))
        expect(page.locator("h1")).to_be_visible()
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        live(page)
        found += violations(page, axe, path)
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, f"{path} scrolls sideways by {wider} px"
    assert found == []
