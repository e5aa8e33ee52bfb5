"""The dashboard's figures: bytes of the first load, how long until it is drawn on a slow CPU, and from an event to pixels.

`python bench/dashboard.py [--events N] [--slower TIMES]`. Needs Debian's chromium. A controller and an agent of their own.
"""

import argparse
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "e2e"))
from cloud import ADMIN_KEY, Cloud

CHROMIUM = "/usr/bin/chromium"
WATCH = """word => { window.seen = new Promise(tell => {
  const look = () => {
    if (!document.body.innerText.includes(word)) return;
    watching.disconnect();
    requestAnimationFrame(() => tell(performance.timeOrigin + performance.now()));
  };
  const watching = new MutationObserver(look);
  watching.observe(document.body, { childList: true, subtree: true, characterData: true });
}); }"""


def signed_in(browser: Browser, cloud: Cloud) -> BrowserContext:
    context = browser.new_context(base_url=cloud.url)
    assert context.request.post("/api/session", data={"key": ADMIN_KEY}).ok
    return context


def first_load(browser: Browser, cloud: Cloud, coding: str, slower: float) -> tuple[int, int, float]:
    """Files, their bytes with heads, seconds until the overview has its sentence; nothing is cached."""
    context = signed_in(browser, cloud)
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setExtraHTTPHeaders", {"headers": {"Accept-Encoding": coding}})
    session.send("Emulation.setCPUThrottlingRate", {"rate": slower})
    urls: dict[str, str] = {}
    sizes: dict[str, int] = {}
    session.on("Network.responseReceived", lambda told: urls.update({told["requestId"]: told["response"]["url"]}))
    session.on("Network.loadingFinished", lambda told: sizes.update({told["requestId"]: told["encodedDataLength"]}))
    began = time.monotonic()
    page.goto("/dashboard")
    page.locator("main .sentence").wait_for()
    took = time.monotonic() - began
    page.wait_for_timeout(500)
    files = [size for id, size in sizes.items() if "/dashboard" in urls.get(id, "")]
    context.close()
    return len(files), sum(files), took


def event_to_pixels(browser: Browser, cloud: Cloud, events: int) -> list[float]:
    """Milliseconds from the API's answer to a submission until the job's name is drawn on the overview, sorted."""
    context = signed_in(browser, cloud)
    page = context.new_page()
    page.goto("/dashboard")
    page.locator(".connection[data-connection=live]").wait_for()
    found = []
    for number in range(events):
        page.evaluate(WATCH, f"pixels-{number}-")
        cloud.submit("true", name=f"pixels-{number}-")
        answered = time.time() * 1000
        found.append(page.evaluate("window.seen") - answered)
    context.close()
    return sorted(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=50)
    parser.add_argument("--slower", type=float, default=4)
    given = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as home, Cloud(Path(home), port) as cloud, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for coding in ("gzip", "br"):
            files, size, took = first_load(browser, cloud, coding, given.slower)
            print(
                f"first load, {coding}: {files} files, {size:,} bytes, drawn after {took:.2f} s on a CPU {given.slower:g} times slower"
            )
        times = event_to_pixels(browser, cloud, given.events)
        p95 = times[int(0.95 * (len(times) - 1))]
        print(
            f"event to pixels: median {statistics.median(times):.0f} ms, 95 % {p95:.0f} ms, worst {times[-1]:.0f} ms of {len(times)}"
        )
        browser.close()


if __name__ == "__main__":
    main()
