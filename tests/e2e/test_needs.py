"""Jobs that need each other, drawn on a job's page."""

import re

from accessibility import violations
from cloud import Cloud
from playwright.sync_api import expect

from conftest import Open


def test_what_a_job_needs_is_drawn_with_states_that_are_live(open_page: Open, cloud: Cloud, axe: str) -> None:
    first = cloud.submit("sleep 600", name="fetch")
    side = cloud.submit("true", name="<img src=x onerror=window.hurt=1>")
    middle = cloud.submit("true", name="train", needs=[first, side])
    last = cloud.submit("true", name="report", needs=[middle])
    cloud.wait_job(side, "succeeded")
    cloud.wait_job(first, "running")
    page = open_page(f"/dashboard/jobs/{middle}")
    boxes = page.locator(".dag-job")
    expect(boxes).to_have_count(4)
    expect(boxes.filter(has_text="fetch")).to_contain_text("running")
    expect(boxes.filter(has_text="onerror")).to_contain_text("succeeded")
    expect(page.locator(".dag-job[data-self]")).to_contain_text("train")
    expect(page.locator(".react-flow__edge")).to_have_count(3)
    assert violations(page, axe, "a job with needs") == []
    cloud.call("POST", f"/api/jobs/{first}/cancel")
    expect(boxes.filter(has_text="fetch")).to_contain_text("cancelled")
    expect(boxes.filter(has_text="train")).to_contain_text("skipped")
    page.goto(f"/dashboard/jobs/{last}")
    expect(boxes).to_have_count(4)
    boxes.filter(has_text="fetch").click()
    expect(page).to_have_url(re.compile(f"/dashboard/jobs/{first}$"))
    assert page.evaluate("window.hurt") is None
