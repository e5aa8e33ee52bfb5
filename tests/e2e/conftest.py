"""A cloud and a browser for all tests; a page of its own for each, which fails where the page's console tells an error."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cloud import ADMIN_KEY, Cloud
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright
from playwright.sync_api import Error as PlaywrightError

CHROMIUM = "/usr/bin/chromium"
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}

expect.set_options(timeout=15_000)
Open = Callable[..., Page]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "console_tells(*texts): errors in the browser's console that belong to the test")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(tmp_path_factory.mktemp("cloud"), free_port()) as started:
        yield started


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def signed_in(browser: Browser, cloud: Cloud) -> dict[str, object]:
    return sign_in(browser, cloud)


def sign_in(browser: Browser, cloud: Cloud) -> dict[str, object]:
    """Cookies of a session."""
    context = browser.new_context(base_url=cloud.url)
    answer = context.request.post("/api/session", data={"key": ADMIN_KEY})
    assert answer.ok, answer.text()
    state = context.storage_state()
    context.close()
    return dict(state)


@pytest.fixture
def open_page(
    browser: Browser, cloud: Cloud, signed_in: dict[str, object], request: pytest.FixtureRequest
) -> Iterator[Open]:
    """Opens a page: `open_page("/dashboard/jobs", phone=True, scheme="dark", signed_out=True)`."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            errors.append(f"{message.type}: {message.text}")

    def open_one(path: str, *, phone: bool = False, scheme: str = "light", signed_out: bool = False) -> Page:
        context = browser.new_context(
            base_url=cloud.url,
            viewport=PHONE if phone else WIDE,  # type: ignore[arg-type]
            color_scheme=scheme,  # type: ignore[arg-type]
            storage_state=None if signed_out else signed_in,  # type: ignore[arg-type]
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", on_console)
        page.on("pageerror", lambda error: errors.append(f"thrown: {error}"))
        go(page, path)
        return page

    yield open_one
    for context in contexts:
        context.close()
    expected = [text for mark in request.node.iter_markers("console_tells") for text in mark.args]
    assert [error for error in errors if not any(text in error for text in expected)] == []


def go(page: Page, path: str) -> None:
    """Chromium gives up what it loads whenever an interface of the machine comes or goes, as with each container: then again."""
    for _ in range(5):
        try:
            page.goto(path)
            return
        except PlaywrightError as error:
            if "ERR_NETWORK_CHANGED" not in str(error):
                raise
    raise AssertionError(f"{path} could not be loaded: the network changed five times")


@pytest.fixture
def axe() -> str:
    """The source of axe-core, which finds what people with disabilities cannot use."""
    return (Path(__file__).resolve().parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.fixture(scope="session", autouse=True)
def tools() -> None:
    """axe-core is one of the dashboard's tools, and the dashboard is built."""
    builder = Path(__file__).resolve().parents[2] / "web" / "build.py"
    subprocess.run([sys.executable, builder, "--tools"], check=True, timeout=600)
