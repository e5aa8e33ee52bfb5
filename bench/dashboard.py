"""The dashboard's figures: bytes of the first load, time to interactive on a slow CPU, from an event to pixels at 50 a second.

`python bench/dashboard.py [--loads N] [--slower TIMES] [--rate EVENTS_PER_S] [--seconds S]`. Needs Debian's chromium and a
build (`python web/build.py`). A controller and an agent of their own, on a machine that does nothing else.

First load: a new browser context, so that nothing is cached, and the overview, signed in. Times are the browser's own, from
the navigation on. *Drawn*: the frame is presented that has the menu and the sentence about the cluster, which is there only
once all its values are known. *Interactive*: drawn, and whatever kept the main thread for longer than 50 ms within the two
seconds after it has ended. *Clicked*: from a click on a link of the menu, in the frame after drawn, to the frame with that
page's heading, its script's way from the controller included. The floor is a page of one line without scripts, measured the same way.

Event to pixels: jobs that wait for another are submitted at an even rate, each one event. The page notes in which frame it has
drawn the name of each, and that is compared with when the controller says that it was made, which is just before the
commit. What other events have pushed away before a frame showed it is counted apart.
"""

import argparse
import itertools
import re
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "e2e"))
from cloud import ADMIN_KEY, Cloud

CHROMIUM = "/usr/bin/chromium"
AFTER_MS = 2000
LOAD_MS = 2500
SUBMITTERS = 4
NOTE_LOAD = """
window.noted = { long: [] };
new PerformanceObserver(list => {
  for (const task of list.getEntries()) noted.long.push([task.startTime, task.startTime + task.duration]);
}).observe({ type: 'longtask', buffered: true });
const presented = then => requestAnimationFrame(() => {
  const channel = new MessageChannel();
  channel.port1.onmessage = () => then(performance.now());
  channel.port2.postMessage(0);
});
const when = (found, then) => {
  const look = () => {
    if (!found()) return;
    watching.disconnect();
    presented(then);
  };
  const watching = new MutationObserver(look);
  watching.observe(document, { childList: true, subtree: true, characterData: true });
  look();
};
"""
NOTE_OVERVIEW = """
when(() => document.querySelector('main .sentence') && document.querySelector('.nav-link'), at => {
  noted.drawn = at;
  if (location.hash !== '#click') return;
  document.querySelector('.nav-link[href$="/machines"]').click();
  when(() => document.querySelector('h1')?.innerText === 'Machines', then => { noted.clicked = then - at; });
});
"""
NOTE_EMPTY = "when(() => document.querySelector('p'), at => { noted.drawn = at; });"
EMPTY = "<!doctype html><html lang=en><title>empty</title><p>A line."
NOTE_NAMES = """
window.seen = {};
let isDue = false;
new MutationObserver(() => {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    const names = document.querySelector('main').innerText.match(/pixels-\\w+-\\d+-/g) ?? [];
    const fresh = [...new Set(names)].filter(name => !(name in seen));
    const channel = new MessageChannel();
    channel.port1.onmessage = () => { for (const name of fresh) seen[name] ??= performance.timeOrigin + performance.now(); };
    channel.port2.postMessage(0);
  });
}).observe(document.body, { childList: true, subtree: true, characterData: true });
"""


def signed_in(browser: Browser, cloud: Cloud) -> BrowserContext:
    context = browser.new_context(base_url=cloud.url)
    assert context.request.post("/api/session", data={"key": ADMIN_KEY}).ok
    return context


def bytes_of_first_load(browser: Browser, cloud: Cloud, coding: str) -> tuple[int, int]:
    """Files, their bytes with heads, until the overview has its sentence and half a second more."""
    context = signed_in(browser, cloud)
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setExtraHTTPHeaders", {"headers": {"Accept-Encoding": coding}})
    urls: dict[str, str] = {}
    sizes: dict[str, int] = {}
    session.on("Network.responseReceived", lambda told: urls.update({told["requestId"]: told["response"]["url"]}))
    session.on("Network.loadingFinished", lambda told: sizes.update({told["requestId"]: told["encodedDataLength"]}))
    page.goto("/dashboard")
    page.locator("main .sentence").wait_for()
    page.wait_for_timeout(500)
    files = [size for id, size in sizes.items() if "/dashboard" in urls.get(id, "")]
    context.close()
    return len(files), sum(files)


def load(browser: Browser, cloud: Cloud, slower: float, path: str, note: str) -> Mapping[str, Any]:
    """What a page has noted of its own first load, some seconds after it began."""
    context = signed_in(browser, cloud)
    context.add_init_script(NOTE_LOAD + note)
    page = context.new_page()
    page.route("**/empty", lambda route: route.fulfill(body=EMPTY, content_type="text/html"))
    context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slower})
    page.goto(path, wait_until="commit")
    page.wait_for_timeout(
        LOAD_MS + AFTER_MS
    )  # waiting for anything in the page would load a script of Playwright's there
    noted: Mapping[str, Any] = page.evaluate("noted")
    context.close()
    return noted


def interactive(noted: Mapping[str, Any]) -> float:
    """When it was drawn and no long task was to come any more, in milliseconds."""
    drawn = float(noted["drawn"])
    return max([drawn, *(end for _, end in noted["long"] if end <= drawn + AFTER_MS)])


def report_loads(browser: Browser, cloud: Cloud, loads: int, slower: float) -> None:
    for coding in ("gzip", "br"):
        files, size = bytes_of_first_load(browser, cloud, coding)
        print(f"first load, {coding}: {files} files, {size:,} bytes")
    empty = [load(browser, cloud, slower, "/empty", NOTE_EMPTY)["drawn"] for _ in range(loads)]
    seen = [load(browser, cloud, slower, "/dashboard", NOTE_OVERVIEW) for _ in range(loads)]
    clicked = [load(browser, cloud, slower, "/dashboard#click", NOTE_OVERVIEW)["clicked"] for _ in range(loads)]
    print(f"on a CPU {slower:g} times slower, median (all) of {loads}, in ms:")
    for told, times in (
        ("an empty page, drawn", empty),
        ("overview, drawn", [noted["drawn"] for noted in seen]),
        ("overview, interactive", [interactive(noted) for noted in seen]),
        ("a click then, to the page's heading", clicked),
    ):
        print(f"  {told}: {statistics.median(times):.0f} ({', '.join(f'{time:.0f}' for time in times)})")


def submit_evenly(
    cloud: Cloud, prefix: str, blocker: str, rate: float, seconds: float
) -> tuple[dict[str, float], float]:
    """When each job was made by the controller's clock (in ms) by name, and how many were made a second."""
    numbers = itertools.count()
    lock = threading.Lock()
    began = time.monotonic()
    made: dict[str, float] = {}

    def work() -> None:
        while True:
            with lock:
                number = next(numbers)
            due = began + number / rate
            if due > began + seconds:
                return
            time.sleep(max(0.0, due - time.monotonic()))  # the pace that is asked for
            name = f"{prefix}{number}-"
            body = {
                "command": "true",
                "name": name,
                "needs": [blocker],
                "resources": {"cpu_cores": 0.1, "memory_mb": 32},
            }
            job = cloud.call("POST", "/api/jobs", body)
            made[name] = datetime.fromisoformat(job["created_at"]).timestamp() * 1000

    with ThreadPoolExecutor(SUBMITTERS) as pool:
        for done in [pool.submit(work) for _ in range(SUBMITTERS)]:
            done.result()
    return made, len(made) / (time.monotonic() - began)


def report_pixels(browser: Browser, cloud: Cloud, path: str, rate: float, seconds: float) -> None:
    context = signed_in(browser, cloud)
    page = context.new_page()
    page.goto(path)
    page.locator(".connection[data-connection=live]").wait_for()
    page.evaluate(NOTE_NAMES)
    blocker = cloud.submit("true", resources={"cpu_cores": 5000, "memory_mb": 32})
    prefix = f"pixels-{re.sub(r'[^a-z]', '', path)}-"
    made: dict[str, float] = {}
    done = threading.Event()
    real = 0.0

    def drive() -> None:
        nonlocal made, real
        try:
            made, real = submit_evenly(cloud, prefix, blocker, rate, seconds)
        finally:
            done.set()

    driver = threading.Thread(target=drive)
    driver.start()
    while not done.is_set():
        page.wait_for_timeout(250)  # Playwright's own thread goes on; the page notes by itself
    driver.join()
    page.wait_for_timeout(1500)
    seen: Mapping[str, float] = page.evaluate("seen")
    context.close()
    times = sorted(seen[name] - at for name, at in made.items() if name in seen)
    p95 = times[int(0.95 * (len(times) - 1))]
    print(
        f"event to pixels, {path} at {real:.0f} events/s: median {statistics.median(times):.0f} ms, 95 % {p95:.0f} ms, "
        f"worst {times[-1]:.0f} ms of {len(times)} drawn; {len(made) - len(times)} of {len(made)} pushed away before"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loads", type=int, default=5, help="first loads that are timed (0: none)")
    parser.add_argument("--slower", type=float, default=4, help="how many times slower the CPU is made for them")
    parser.add_argument("--rate", type=float, default=50, help="events a second")
    parser.add_argument("--seconds", type=float, default=10, help="for as long on each page (0: not at all)")
    given = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as home, Cloud(Path(home), port) as cloud, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        if given.loads:
            report_loads(browser, cloud, given.loads, given.slower)
        if given.seconds:
            for path in ("/dashboard", "/dashboard/jobs"):
                report_pixels(browser, cloud, path, given.rate, given.seconds)
        browser.close()


if __name__ == "__main__":
    main()
