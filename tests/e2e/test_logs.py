"""Output in a real browser: of any length, followed, searched, linked to, and hostile."""

import re
from collections.abc import Iterator

import pytest
from cloud import Cloud
from playwright.sync_api import Page, expect

from conftest import Open

LONG = 200_000
ESC = "\\033"


@pytest.fixture(scope="session")
def long_job(cloud: Cloud) -> str:
    """A job that has written LONG lines, "needle" in each 50,000th."""
    id = cloud.submit(
        f'seq 1 {LONG} | awk \'{{ if ($1 % 50000 == 7) print "needle in " $1; else print "line number " $1 }}\'',
        name="long-output",
    )
    cloud.wait_job(id, "succeeded")
    return id


@pytest.fixture
def ticking(cloud: Cloud) -> Iterator[str]:
    """A job that writes some lines a second until it is cancelled."""
    id = cloud.submit("seq 1 600; n=600; while :; do n=$((n+1)); echo tick $n; sleep 0.1; done", name="ticking")
    cloud.wait_job(id, "running")
    yield id
    cloud.call("POST", f"/api/jobs/{id}/cancel")


def row(page: Page, text: str) -> object:
    return page.locator(".log-row").filter(has_text=re.compile(f"^{re.escape(text)}\n?$"))


def test_a_long_output_opens_at_its_end_and_scrolls_to_any_line(open_page: Open, long_job: str) -> None:
    page = open_page(f"/dashboard/jobs/{long_job}")
    expect(row(page, f"line number {LONG}")).to_be_in_viewport()
    assert page.locator(".log-row").count() < 150, "only rows in sight are drawn"
    log = page.get_by_role("log")
    log.focus()
    page.keyboard.press("g")
    expect(row(page, "line number 1")).to_be_in_viewport()
    log.evaluate("box => { box.scrollTop = (box.scrollHeight - box.clientHeight) / 2 }")
    expect(row(page, f"line number {LONG // 2}")).to_be_in_viewport()
    page.keyboard.press("Shift+G")
    expect(row(page, f"line number {LONG}")).to_be_in_viewport()
    expect(page.get_by_text(re.compile(f"The end, {LONG:,} lines"))).to_be_visible()


def test_following_pauses_while_somebody_reads(open_page: Open, ticking: str) -> None:
    page = open_page(f"/dashboard/jobs/{ticking}")
    log = page.get_by_role("log")
    expect(page.get_by_role("button", name="Following")).to_be_visible()
    expect(page.locator(".log-row").filter(has_text="tick").last).to_be_in_viewport()
    log.hover()
    page.mouse.wheel(0, -2000)
    expect(page.get_by_role("button", name="Paused")).to_be_visible()
    before = log.evaluate("box => box.scrollTop")
    newer = page.get_by_role("button", name=re.compile(r"^\d+ new lines"))
    expect(newer).to_be_visible()
    expect(newer).to_have_text(re.compile(r"[3-9] new lines|\d\d+ new lines"))
    assert log.evaluate("box => box.scrollTop") == before, "what one reads stays where it is"
    newer.click()
    expect(page.get_by_role("button", name="Following")).to_be_visible()
    expect(newer).to_have_count(0)
    log.focus()
    page.keyboard.press("f")
    expect(page.get_by_role("button", name="Paused")).to_be_visible()


@pytest.mark.console_tells("400 (Bad Request)")
def test_a_search_on_the_server_shows_what_is_around(open_page: Open, long_job: str) -> None:
    page = open_page(f"/dashboard/jobs/{long_job}")
    expect(row(page, f"line number {LONG}")).to_be_in_viewport()
    page.get_by_role("log").focus()
    page.keyboard.press("/")
    page.keyboard.type("^needle in [0-9]*7$")
    status = page.locator(".log-tools [role=status]")
    expect(status).to_have_text("4 matches")
    expect(page.locator(".log-row[data-hit]")).to_have_count(4)
    expect(page.locator(".log-row")).to_have_count(28)
    expect(row(page, "line number 50004")).to_have_count(1)
    expect(page.locator(".log-row mark").first).to_have_text("needle in 7")
    page.keyboard.press("Enter")
    expect(status).to_have_text("1 of 4 matches")
    page.get_by_role("button", name="Matches only").click()
    page.get_by_role("button", name="Next match (n)").click()
    page.get_by_role("log").focus()
    page.keyboard.press("n")
    expect(status).to_have_text("2 of 4 matches")
    expect(row(page, "needle in 50007")).to_be_in_viewport()
    expect(row(page, "line number 50008")).to_be_in_viewport()
    page.keyboard.press("Shift+N")
    expect(row(page, "needle in 7")).to_be_in_viewport()
    page.get_by_label("Search the output").fill("(")
    expect(page.get_by_text("is no regular expression")).to_be_visible()


def test_a_link_to_a_line_opens_there(open_page: Open, long_job: str) -> None:
    page = open_page(f"/dashboard/jobs/{long_job}#L1.123456")
    linked = page.locator(".log-row[data-linked]")
    expect(linked).to_have_text("line number 123456")
    expect(linked).to_be_in_viewport()
    page.get_by_label("Link to line 123458", exact=True).click()
    expect(page).to_have_url(re.compile(r"#L1\.123458$"))
    expect(linked).to_have_text("line number 123458")
    page.reload()
    expect(linked).to_have_text("line number 123458")
    expect(linked).to_be_in_viewport()


HOSTILE = [
    f"{ESC}]0;<script>window.hurt=1</script>\\007title",
    f"{ESC}]8;;javascript:window.hurt=1{ESC}\\\\link{ESC}]8;;{ESC}\\\\",
    f"{ESC}[31m<img src=x onerror=window.hurt=1>{ESC}[0m",
    '{"level":"error","msg":"<svg onload=window.hurt=1>","n":[1,2]}',
    f"{ESC}[2J{ESC}[1;1H{ESC}c{ESC}Pq{ESC}\\\\gone",
]


def test_hostile_output_is_text_and_its_colours_are_seen(open_page: Open, cloud: Cloud) -> None:
    lines = "\\n".join(HOSTILE)
    id = cloud.submit(f"printf '{lines}\\n'; printf 'bad\\n' >&2; printf 'a\\000b\\377\\n'", name="hostile-output")
    cloud.wait_job(id, "succeeded")
    page = open_page(f"/dashboard/jobs/{id}")
    log = page.get_by_role("log")
    expect(row(page, "title")).to_have_count(1)
    expect(row(page, "link")).to_have_count(1)
    expect(row(page, "gone")).to_have_count(1)
    expect(log.locator(".ansi-1")).to_have_text("<img src=x onerror=window.hurt=1>")
    expect(log.locator("[data-stream=stderr]")).to_have_text("bad\n")
    expect(log.locator("[data-level=error]")).to_have_count(1)
    page.get_by_role("button", name="Spread the JSON").click()
    expect(log).to_contain_text('"msg": "<svg onload=window.hurt=1>"')
    page.get_by_role("button", name="Times").click()
    expect(log.locator(".log-at").first).to_be_visible()
    page.get_by_role("button", name="Wrap").click()
    expect(log).not_to_have_attribute("data-wrap", "true")
    assert page.evaluate("window.hurt") is None
    assert log.locator("img, script, svg, a[href^=javascript]").count() == 0


def test_a_download_has_every_line(open_page: Open, long_job: str) -> None:
    page = open_page(f"/dashboard/jobs/{long_job}")
    with page.expect_download() as saving:
        page.get_by_role("link", name="Download").click()
    assert saving.value.suggested_filename == f"{long_job}.log"
    assert len(saving.value.path().read_text().splitlines()) == LONG
