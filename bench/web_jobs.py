"""A list of many jobs in the dashboard: time until its first rows are drawn, and the page's memory after scrolling through it.

`python bench/web_jobs.py [--jobs N]`. Needs Debian's chromium. A controller and an agent of their own.
Asked: 100,000 jobs show their first rows in under 300 ms, in a page of less than 150 MB.
"""

import argparse
import socket
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import CDPSession, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "e2e"))
from cloud import ADMIN_KEY, Cloud

CHROMIUM = "/usr/bin/chromium"
BATCH = 5_000
SCROLLS = 60
# From the click on the menu's entry until rows are drawn.
OPEN = """() => new Promise(tell => {
  const began = performance.now();
  const look = () => {
    if (document.querySelector('.table-row a[href*="/jobs/j-"]'))
      requestAnimationFrame(() => tell(performance.now() - began));
    else requestAnimationFrame(look);
  };
  document.querySelector('.shell-left a[href$="/jobs"]').click();
  look();
})"""


def submit(cloud: Cloud, jobs: int) -> None:
    """Jobs that no machine can run, so that they stay as they are."""
    for begin in range(0, jobs, BATCH):
        batch = [
            {"command": "true", "name": f"job-{number}", "resources": {"cpu_cores": 500, "memory_mb": 32}}
            for number in range(begin, min(jobs, begin + BATCH))
        ]
        cloud.call("POST", "/api/jobs/batch", {"jobs": batch})


def page_megabytes(session: CDPSession) -> float:
    """The heap of its scripts after a collection, and its elements' share as the browser counts it."""
    session.send("HeapProfiler.collectGarbage")
    return float(session.send("Runtime.getHeapUsage")["usedSize"]) / 1e6


def scroll_through(page: Page) -> int:
    """To the end of what is loaded, again and again. Returns the rows that are loaded then."""
    body = page.locator(".table-body")
    for _ in range(SCROLLS):
        body.evaluate("box => { box.scrollTop = box.scrollHeight }")
        page.wait_for_timeout(150)
    return round(int(body.evaluate("box => box.scrollHeight")) / 41)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=100_000)
    options = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as home, Cloud(Path(home), port) as cloud, sync_playwright() as playwright:
        submit(cloud, options.jobs)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(base_url=cloud.url, viewport={"width": 1440, "height": 900})
        assert context.request.post("/api/session", data={"key": ADMIN_KEY}).ok
        page = context.new_page()
        session = context.new_cdp_session(page)
        took = []
        for _ in range(7):
            page.goto("/dashboard")
            page.locator("main .sentence").wait_for()
            page.locator(".shell-left a[href$='/jobs']").hover()
            page.wait_for_timeout(1000)
            took.append(float(page.evaluate(OPEN)))
        told = page.locator(".page-title .dim").inner_text()
        print(f"{told} in the list")
        print(f"first rows: median {statistics.median(took):.0f} ms, most {max(took):.0f} ms (asked: 300 ms)")
        rows = scroll_through(page)
        session.send("HeapProfiler.enable")
        print(f"heap with {rows:,} rows loaded: {page_megabytes(session):.0f} MB (asked: 150 MB)")
        browser.close()


if __name__ == "__main__":
    main()
