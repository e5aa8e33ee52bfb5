"""The pages of images and of events in a real browser."""

import re

import pytest
from accessibility import violations
from cloud import Cloud
from playwright.sync_api import Page, expect
from push import push_image

from conftest import Open


def rows(page: Page) -> object:
    return page.locator(".table-row")


def test_images_say_what_they_are_and_are_deleted(open_page: Open, cloud: Cloud) -> None:
    digest = push_image(cloud, "default/shown:v1", b"one")
    page = open_page("/dashboard/images?repository=default%2Fshown")
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("default/shown:v1")
    told = cloud.call("GET", "/api/images?repository=default/shown")["items"][0]
    assert told["digest"] == digest
    page.get_by_role("button", name="default/shown:v1").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(digest)
    expect(dialog).to_contain_text("Nothing. Its tag keeps it.")
    expect(dialog).to_contain_text("draas run --image draas.internal/default/shown:v1 -- sh")
    dialog.get_by_role("button", name="Delete…").click()
    dialog.get_by_role("button", name="Delete it").click()
    expect(page.get_by_text("No image in default/shown.")).to_be_visible()
    assert cloud.call("GET", "/api/images?repository=default/shown")["total"] == 0


def test_an_image_in_use_is_not_offered_for_deletion(open_page: Open, cloud: Cloud) -> None:
    push_image(cloud, "default/used:v1", b"two")
    id = cloud.submit("true", image="draas.internal/default/used:v1", runtime="docker", name="needs-it")
    page = open_page("/dashboard/images?repository=default%2Fused")
    page.get_by_role("button", name="default/used:v1").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("It cannot be deleted while something uses it.")
    expect(dialog.get_by_role("button", name="Delete…")).to_have_count(0)
    dialog.get_by_role("link", name=re.compile(id)).click()
    expect(page.get_by_role("heading", name="needs-it")).to_be_visible()
    cloud.call("POST", f"/api/jobs/{id}/cancel")


def test_a_prune_shows_first_what_goes(open_page: Open, cloud: Cloud) -> None:
    page = open_page("/dashboard/images")
    page.get_by_role("button", name="Prune…").click()
    dialog = page.get_by_role("dialog")
    plan = cloud.call("GET", "/api/images/plan")
    assert plan["items"] == []
    expect(dialog).to_contain_text("There is nothing to delete")
    expect(dialog.locator(".copy-line code")).to_have_text("draas images prune --dry-run")


def test_events_are_filtered_by_the_address_and_live(open_page: Open, cloud: Cloud) -> None:
    before = cloud.submit("exit 3", name="told-before")
    cloud.wait_job(before, "failed")
    page = open_page("/dashboard/events?kind=job.failed&subject=told-")
    expect(rows(page)).to_have_count(1)
    expect(rows(page).first).to_contain_text("exit code 3")
    after = cloud.submit("exit 4", name="told-after")
    expect(rows(page)).to_have_count(2)
    expect(rows(page).first).to_contain_text("told-after")
    rows(page).first.get_by_role("link", name="told-after").click()
    expect(page).to_have_url(re.compile(f"/dashboard/jobs/{after}$"))
    page.go_back()
    page.get_by_label("About").fill("nobody-has-this-name")
    expect(page).to_have_url(re.compile("subject=nobody-has-this-name"))
    expect(page.get_by_text("No event matches these filters.")).to_be_visible()
    page.get_by_role("link", name="Show all events").click()
    expect(rows(page).first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("phone", [False, True], ids=["wide", "phone"])
def test_everybody_can_use_them(open_page: Open, cloud: Cloud, axe: str, scheme: str, phone: bool) -> None:
    push_image(cloud, "default/for-all:v1", b"three")
    id = cloud.submit(
        r"printf '\033[31mred\033[42mon\033[0m \033[93mlight\033[0m\nERROR x\n{\"a\":1}\n'; echo err >&2; seq 1 900",
        name="colours",
    )
    cloud.wait_job(id, "succeeded")
    found = []
    page = open_page("/dashboard/images", phone=phone, scheme=scheme)
    for path in ("/dashboard/images", "/dashboard/events", f"/dashboard/jobs/{id}#L1.2"):
        page.goto(path)
        expect(page.locator("h1")).to_be_visible()
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        expect(page.locator(".log-row, .table-row").first).to_be_visible()
        found += violations(page, axe, path)
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, f"{path} scrolls sideways by {wider} px"
    page.get_by_label("Search the output").fill("red")
    expect(page.locator(".log-row[data-hit]")).to_have_count(1)
    found += violations(page, axe, "search")
    assert found == []
