"""A long output in the dashboard: time until its last lines are drawn, frames while it is scrolled, a search, memory.

`python bench/web_logs.py [--lines N] [--slower TIMES]`. Needs Debian's chromium. A controller and an agent of their own.
Asked: 1,000,000 lines open in under 300 ms and scroll at 60 frames/s.
"""

import argparse
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "e2e"))
from cloud import ADMIN_KEY, Cloud

CHROMIUM = "/usr/bin/chromium"
# From the click on the job's link until a row of its output is drawn.
OPEN = """word => new Promise(tell => {
  const began = performance.now();
  const look = () => {
    const row = [...document.querySelectorAll('.log-row')].some(one => one.textContent.trim() === word);
    if (row) requestAnimationFrame(() => tell(performance.now() - began));
    else requestAnimationFrame(look);
  };
  document.querySelector('.table-row a').click();
  look();
})"""
# Down by 40 px a frame for two seconds; milliseconds between frames, and rows in sight that were not there in them.
SCROLL = """() => new Promise(tell => {
  const box = document.querySelector('.log');
  const gaps = [];
  let blank = 0, last = performance.now(), frames = 0;
  box.scrollTop = box.scrollHeight / 3;
  const step = now => {
    gaps.push(now - last);
    last = now;
    const middle = box.getBoundingClientRect();
    const at = document.elementFromPoint(middle.left + 200, middle.top + middle.height / 2);
    if (!at || !at.closest('.log-row')) blank++;
    box.scrollTop += 40;
    if (++frames < 120) requestAnimationFrame(step);
    else tell({ gaps: gaps.slice(1), blank });
  };
  requestAnimationFrame(step);
})"""


def measure_open(page: Page, word: str, times: int) -> list[float]:
    """Milliseconds, sorted; the page's code is there already."""
    took = []
    for _ in range(times):
        page.goto("/dashboard/jobs?name=long")
        page.locator(".table-row a").hover()  # as somebody does before a click
        page.wait_for_timeout(300)
        took.append(float(page.evaluate(OPEN, word)))
    return sorted(took)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--slower", type=float, default=1.0)
    options = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as home, Cloud(Path(home), port) as cloud, sync_playwright() as playwright:
        id = cloud.submit(f"seq -f 'line %.0f of an output of some length' 1 {options.lines}", name="long")
        while (state := cloud.call("GET", f"/api/jobs/{id}?wait_s=20")["state"]) != "succeeded":
            if state in ("failed", "cancelled"):
                raise SystemExit(f"the job that writes {options.lines} lines is {state}")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(base_url=cloud.url, viewport={"width": 1440, "height": 900})
        assert context.request.post("/api/session", data={"key": ADMIN_KEY}).ok
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Emulation.setCPUThrottlingRate", {"rate": options.slower})
        took = measure_open(page, f"line {options.lines} of an output of some length", 7)
        print(f"{options.lines:,} lines, CPU {options.slower:g} times slower")
        print(f"opened: median {statistics.median(took):.0f} ms, most {took[-1]:.0f} ms (asked: 300 ms)")
        told = page.evaluate(SCROLL)
        gaps = sorted(told["gaps"])
        rate = 1000 * len(gaps) / sum(gaps)
        print(
            f"scrolled: {rate:.0f} frames/s, p95 {gaps[int(0.95 * len(gaps))]:.1f} ms, longest {gaps[-1]:.0f} ms (asked: 60)"
        )
        print(f"frames without a row in the middle: {told['blank']} of {len(gaps) + 1}")
        began = time.monotonic()
        page.get_by_label("Search the output").fill(f"^line {options.lines // 2} ")
        page.locator(".log-row[data-hit]").wait_for(timeout=60_000)
        print(
            f"searched the whole on the server: {time.monotonic() - began:.1f} s, 0.25 s of which it waits for more letters"
        )
        session.send("HeapProfiler.enable")
        session.send("HeapProfiler.collectGarbage")
        heap = session.send("Runtime.getHeapUsage")["usedSize"] / 1e6
        print(f"the page's heap afterwards: {heap:.0f} MB")
        browser.close()


if __name__ == "__main__":
    main()
