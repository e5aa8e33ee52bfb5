"""The settings in a real browser: keys, logins, certificates, the controller itself; and a machine's labels and removal."""

import os
import re
import subprocess
import sys
import urllib.error
from pathlib import Path
from typing import Any

import pytest
from accessibility import violations
from cloud import Cloud
from playwright.sync_api import Browser, Page, expect

from conftest import Open
from draas.testing.certificates import TestAuthority
from draas.testing.waiting import wait_for

HOSTILE = [
    "<script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    '"><svg onload=window.pwned=1>',
    "javascript:window.pwned=1",
    "{{constructor.constructor('window.pwned=1')()}}",
    "${window.pwned=1}",
    "'--><b>bold</b>",
]
PAGES = (
    "/dashboard/settings",
    "/dashboard/settings/keys",
    "/dashboard/settings/registries",
    "/dashboard/settings/certificates",
)


def make(cloud: Cloud, role: str = "viewer", **fields: object) -> Any:
    return cloud.call("POST", "/api/keys", {"role": role, **fields})


def row(page: Page, name: str) -> Any:
    return page.locator(".table-row", has_text=name)


def signed_in_with(page: Page, key: str) -> Page:
    assert page.request.post("/api/session", data={"key": key}).ok
    return page


def key_works(cloud: Cloud, key: str) -> bool:
    try:
        cloud.call("GET", "/api/jobs?limit=1", key=key)
    except urllib.error.HTTPError as error:
        if error.code == 401:
            return False
        raise
    return True


@pytest.mark.console_tells("400 (Bad Request)")
def test_a_key_is_made_shown_once_rotated_and_revoked(open_page: Open, cloud: Cloud) -> None:
    page = open_page("/dashboard/settings/keys")
    page.get_by_role("button", name="Make a key").click()
    expect(page).to_have_url(re.compile("new=true"))
    dialog = page.get_by_role("dialog", name="Make a key")
    dialog.get_by_label("Name").fill("ci of ada")
    dialog.get_by_text("Viewer", exact=True).click()
    dialog.get_by_label("Project").fill("Not A Name")
    expect(dialog.locator(".same-as code")).to_have_text(
        "draas keys make --role viewer --name 'ci of ada' --project 'Not A Name'"
    )
    dialog.get_by_role("button", name="Make it").click()
    expect(dialog.get_by_role("alert")).to_contain_text("project")
    dialog.get_by_label("Project").fill("red")
    dialog.get_by_role("button", name="Make it").click()
    shown = page.get_by_role("dialog", name="The new key")
    expect(shown).to_contain_text("cannot be shown again")
    secret = shown.locator(".secret code").inner_text()
    assert key_works(cloud, secret)
    page.keyboard.press("Escape")
    expect(shown).to_be_visible()
    shown.get_by_role("button", name="I have copied it").click()
    expect(page.get_by_text(secret)).to_have_count(0)
    expect(row(page, "ci of ada")).to_contain_text("red")
    told = next(key for key in cloud.call("GET", "/api/keys")["items"] if key["name"] == "ci of ada")
    assert (told["role"], told["project"], told["expires_at"]) == ("viewer", "red", None)

    page.get_by_role("button", name="ci of ada").click()
    dialog = page.get_by_role("dialog", name="ci of ada")
    expect(dialog).to_contain_text(told["id"])
    dialog.get_by_role("button", name="Rotate…").click()
    dialog.get_by_role("button", name="Rotate it").click()
    shown = page.get_by_role("dialog", name="The new key")
    other = shown.locator(".secret code").inner_text()
    assert other != secret
    assert key_works(cloud, other)
    assert not key_works(cloud, secret)
    shown.get_by_role("button", name="I have copied it").click()

    page.get_by_role("button", name="ci of ada").click()
    dialog = page.get_by_role("dialog", name="ci of ada")
    dialog.get_by_role("button", name="Revoke…").click()
    dialog.get_by_role("button", name="Revoke it").click()
    expect(row(page, "ci of ada")).to_have_count(0)
    assert not key_works(cloud, other)


def test_a_secret_is_copied_by_its_button(open_page: Open, cloud: Cloud) -> None:
    page = open_page("/dashboard/settings/keys?new=true")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    dialog = page.get_by_role("dialog", name="Make a key")
    dialog.get_by_label("Name").fill("copied")
    dialog.get_by_role("button", name="Make it").click()
    shown = page.get_by_role("dialog", name="The new key")
    secret = shown.locator(".secret code").inner_text()
    shown.get_by_role("button", name="Copy the key").click()
    assert page.evaluate("navigator.clipboard.readText()") == secret
    expect(shown.get_by_role("button", name="Copied", exact=True)).to_be_visible()


def test_keys_made_elsewhere_appear_and_go(open_page: Open, cloud: Cloud) -> None:
    page = open_page("/dashboard/settings/keys")
    expect(page.locator(".connection[data-connection=live]")).to_be_visible()
    made = make(cloud, name="from elsewhere")
    expect(row(page, "from elsewhere")).to_be_visible()
    cloud.call("DELETE", f"/api/keys/{made['id']}")
    expect(row(page, "from elsewhere")).to_have_count(0)


def test_the_last_admin_key_cannot_be_revoked_here_either(open_page: Open, cloud: Cloud) -> None:
    page = open_page("/dashboard/settings/keys")
    page.get_by_role("button", name="DRAAS_ADMIN_KEY").click()
    dialog = page.get_by_role("dialog", name="DRAAS_ADMIN_KEY")
    expect(dialog).to_contain_text("It is the last admin key that does not expire.")
    expect(dialog).to_contain_text("This browser is signed in with it.")
    expect(dialog.get_by_role("button", name="Revoke…")).to_have_count(0)
    dialog.get_by_role("button", name="Rotate…").click()
    expect(dialog.get_by_label("The old one ends")).to_have_value("In an hour")


def test_all_by_the_keyboard(open_page: Open, cloud: Cloud) -> None:
    page = open_page("/dashboard")
    expect(page.locator(".connection[data-connection=live]")).to_be_visible()
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Go to")).to_be_focused()
    page.keyboard.type("make a key")
    expect(page.get_by_role("option").first).to_contain_text("Make a key")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Make a key")
    expect(dialog.get_by_label("Name")).to_be_focused()
    page.keyboard.type("by keyboard")
    page.keyboard.press("Enter")
    shown = page.get_by_role("dialog", name="The new key")
    expect(shown).to_be_visible()
    for _ in range(8):
        if page.evaluate("document.activeElement.textContent") == "I have copied it":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(shown).to_have_count(0)
    opener = page.get_by_role("button", name="by keyboard")
    opener.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="by keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    expect(opener).to_be_focused()


@pytest.mark.console_tells("400 (Bad Request)")
def test_a_login_to_a_registry_is_added_replaced_and_removed(open_page: Open, cloud: Cloud) -> None:
    page = open_page("/dashboard/settings/registries")
    expect(page.get_by_text("No login to a registry.")).to_be_visible()
    expect(page.locator(".section", has_text="Pushes to Docker Hub")).to_contain_text("Off")

    def add(host: str, user: str) -> None:
        page.get_by_role("button", name="Add a login").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Registry").fill(host)
        dialog.get_by_label("User", exact=True).fill(user)
        dialog.get_by_label("Password or access token").fill("hush-hush-4711")
        dialog.get_by_label("Project").fill("red")
        dialog.get_by_role("button", name="Add it").click()

    page.get_by_role("button", name="Add a login").click()
    page.get_by_role("dialog").get_by_label("Registry").fill("https://ghcr.io/x")
    expect(page.get_by_role("dialog")).to_contain_text("without https:// and path")
    expect(page.get_by_role("dialog").get_by_role("button", name="Add it")).to_be_disabled()
    page.keyboard.press("Escape")
    add("draas.internal", "ada")
    expect(page.get_by_role("alert")).to_contain_text("the cluster's own registry")
    page.keyboard.press("Escape")
    add("registry.example:5000", "ada")
    expect(row(page, "registry.example:5000")).to_contain_text("ada")
    add("registry.example:5000", "grace")
    expect(row(page, "registry.example:5000")).to_contain_text("grace")
    assert [
        (one["host"], one["username"], one["project"]) for one in cloud.call("GET", "/api/registries")["items"]
    ] == [("registry.example:5000", "grace", "red")]
    expect(page.get_by_role("dialog")).to_have_count(0)  # it fades out with what was typed
    assert "hush-hush" not in page.content()
    page.get_by_role("button", name="registry.example:5000").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Remove…").click()
    dialog.get_by_role("button", name="Remove it").click()
    expect(page.get_by_text("No login to a registry.")).to_be_visible()
    assert cloud.call("GET", "/api/registries")["total"] == 0


@pytest.mark.console_tells("400 (Bad Request)")
def test_a_certificate_is_added_and_removed(open_page: Open, cloud: Cloud, tmp_path: Path) -> None:
    chain, key = TestAuthority().sign("shop.example.org")
    page = open_page("/dashboard/settings/certificates")
    expect(page.get_by_text("No certificate.")).to_be_visible()
    page.get_by_role("button", name="Add a certificate").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Domain").fill("shop.example.org")
    dialog.get_by_label("Certificate", exact=True).fill("nonsense")
    dialog.get_by_label("Private key").fill(key)
    dialog.get_by_role("button", name="Add it").click()
    expect(dialog.get_by_role("alert")).to_contain_text("chain")
    pem = tmp_path / "chain.pem"
    pem.write_text(chain)
    dialog.locator("input[type=file]").first.set_input_files(pem)
    expect(dialog.get_by_label("Certificate", exact=True)).to_have_value(chain)
    dialog.get_by_role("button", name="Add it").click()
    expect(row(page, "shop.example.org")).to_be_visible()
    told = cloud.call("GET", "/api/certificates")["items"][0]
    page.get_by_role("button", name="shop.example.org").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(told["issuer"])
    expect(dialog).to_contain_text("draas certs rm shop.example.org")
    dialog.get_by_role("button", name="Remove…").click()
    dialog.get_by_role("button", name="Remove it").click()
    expect(page.get_by_text("No certificate.")).to_be_visible()


def test_the_controller_says_what_it_is(open_page: Open, cloud: Cloud) -> None:
    page = open_page("/dashboard/settings")
    about = cloud.call("GET", "/api/about")
    section = page.locator(".section", has_text="This controller")
    for told in (about["version"], about["url"], f"NAME.{about['apps_domain']}", about["data_dir"], "SQLite"):
        expect(section).to_contain_text(told)
    expect(page.locator(".same-as code")).to_have_text("draas version --controller")


def test_a_link_signs_another_browser_in_once(open_page: Open, browser: Browser, cloud: Cloud) -> None:
    page = open_page("/dashboard/settings")
    page.get_by_role("button", name="Sign in elsewhere…").click()
    page.get_by_role("button", name="Make a link").click()
    shown = page.get_by_role("dialog").locator(".copy-line code").first
    expect(shown).to_contain_text("#token=")
    link = shown.inner_text()
    assert link.startswith(f"{cloud.url}/sign-in#token=")
    other = browser.new_context()
    phone = other.new_page()
    phone.goto(link)
    expect(phone.get_by_role("heading", name="Overview")).to_be_visible()
    assert "token" not in phone.url
    other.close()


def test_names_of_others_run_no_script(open_page: Open, cloud: Cloud) -> None:
    made = [make(cloud, name=name[:128]) for name in HOSTILE]
    cloud.call("PUT", "/api/registries/evil.example", {"username": HOSTILE[1], "password": "x"})
    page = open_page("/dashboard/settings/keys")
    for name in HOSTILE:
        expect(row(page, name).first).to_be_visible()
    page.get_by_role("button", name=HOSTILE[1]).first.click()
    expect(page.get_by_role("dialog")).to_contain_text("viewer")
    page.keyboard.press("Escape")
    page.goto("/dashboard/settings/registries")
    page.get_by_role("button", name="evil.example").click()
    expect(page.get_by_role("dialog")).to_contain_text(HOSTILE[1])
    page.goto("/dashboard/events?kind=key")
    expect(page.locator(".table-row").first).to_be_visible()
    assert page.evaluate("window.pwned") is None
    for key in made:
        cloud.call("DELETE", f"/api/keys/{key['id']}")
    cloud.call("DELETE", "/api/registries/evil.example")


@pytest.mark.parametrize(("role", "project"), [("viewer", None), ("deployer", None), ("admin", "red")])
def test_nobody_is_offered_what_would_be_refused(open_page: Open, cloud: Cloud, role: str, project: str | None) -> None:
    made = make(cloud, role, project=project, name=f"a {role}")
    page = signed_in_with(open_page("/dashboard/sign-in", signed_out=True), made["key"])
    refused: list[str] = []
    page.on(
        "response", lambda answer: refused.append(f"{answer.status} {answer.url}") if answer.status == 403 else None
    )
    page.goto("/dashboard/settings")
    tabs = page.get_by_role("navigation", name="Settings").get_by_role("link")
    expect(tabs).to_have_text(["About", "Registries"] if project else ["About", "Registries", "Certificates"])
    expect(page.get_by_text("Data folder", exact=True)).to_have_count(0)
    page.goto("/dashboard/settings/keys?new=true")
    expect(page.get_by_text("Your key does not open this.")).to_be_visible()
    expect(page.get_by_role("button", name="Make a key")).to_have_count(0)
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.goto("/dashboard/settings/registries?new=true")
    expect(page.get_by_text("No login to a registry.")).to_be_visible()
    expect(page.get_by_role("button", name="Add a login", include_hidden=True)).to_have_count(
        0 if role == "viewer" else 1
    )
    if project:  # its own project is not asked for
        expect(page.get_by_role("dialog").get_by_label("Project")).to_have_count(0)
    page.goto("/dashboard/settings/certificates")
    offered = page.get_by_role("button", name="Add a certificate")
    expect(offered).to_have_count(1 if role == "deployer" else 0)
    page.goto("/dashboard/machines/node-1")
    expect(page.get_by_role("heading", name="Labels")).to_be_visible()
    for name in ("Remove…", "Change…", "Drain…"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    page.keyboard.press("Control+k")
    page.keyboard.type("keys")
    expect(page.get_by_role("option", name="Keys")).to_have_count(0)
    assert refused == []
    page.close()  # or it would be told that its session is over
    cloud.call("DELETE", f"/api/keys/{made['id']}")


@pytest.mark.console_tells("401 (Unauthorized)")
def test_whoever_signs_in_with_a_revoked_key_is_led_out(open_page: Open, cloud: Cloud) -> None:
    spare = make(cloud, "admin", name="spare admin")
    page = signed_in_with(open_page("/dashboard/sign-in", signed_out=True), spare["key"])
    page.goto("/dashboard/settings/keys")
    page.get_by_role("button", name="spare admin").click()
    dialog = page.get_by_role("dialog", name="spare admin")
    dialog.get_by_role("button", name="Revoke…").click()
    expect(dialog).to_contain_text("so it is signed out")
    dialog.get_by_role("button", name="Revoke it").click()
    expect(page.get_by_label("Key", exact=True)).to_be_visible()


def test_labels_of_a_machine_are_changed(open_page: Open, cloud: Cloud) -> None:
    cloud.call("PATCH", "/api/nodes/node-1", {"labels": {"disk": "ssd", "old": "1"}})
    page = open_page("/dashboard/machines/node-1")
    page.get_by_role("button", name="Change…").click()
    dialog = page.get_by_role("dialog")
    text = dialog.get_by_label("Labels", exact=True)
    expect(text).to_have_value(re.compile("disk=ssd"))
    text.fill("disk")
    expect(dialog).to_contain_text('"disk" is not NAME=VALUE.')
    text.fill("disk=nvme\nzone=a")
    expect(dialog.locator(".same-as code")).to_contain_text("disk=nvme")
    dialog.get_by_role("button", name="Change them").click()
    expect(page.locator(".section", has_text="Labels")).to_contain_text("nvme")
    assert cloud.call("GET", "/api/nodes/node-1")["labels"] == {"disk": "nvme", "zone": "a"}


@pytest.mark.console_tells("404 (Not Found)")  # the page reads the machine once more on its way to the others
def test_a_machine_is_removed_and_its_key_ends(open_page: Open, cloud: Cloud, tmp_path: Path) -> None:
    token = cloud.call("POST", "/api/join-tokens", {})["token"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DRAAS_")}
    words = ["join", cloud.url, token, "--name", "node-2", "--allow-host-jobs=plain", "--data-dir", str(tmp_path)]
    environment = kept | {"HOME": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/no-engine.sock"}
    with (tmp_path / "log").open("wb") as log:
        agent = subprocess.Popen([sys.executable, "-m", "draas", *words], stdout=log, stderr=log, env=environment)
    try:
        wait_for(lambda: states_of(cloud), lambda states: states.get("node-2") == "ready", "node-2 is ready", 60)
        page = open_page("/dashboard/settings/keys")
        page.locator(".section", has_text="Machines' own keys").get_by_role("link", name="node-2").click()
        page.get_by_role("button", name="Remove…").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.locator(".same-as code")).to_have_text("draas nodes rm node-2")
        dialog.get_by_role("button", name="Remove it").click()
        expect(page).to_have_url(re.compile("/dashboard/machines$"))
        expect(page.get_by_role("link", name="node-2")).to_have_count(0)
        assert states_of(cloud).get("node-2") in (None, "left")
        assert not [key for key in cloud.call("GET", "/api/keys")["items"] if key["name"] == "node-2"]
    finally:
        agent.terminate()
        agent.wait(30)


def states_of(cloud: Cloud) -> dict[str, str]:
    return {node["name"]: node["state"] for node in cloud.call("GET", "/api/nodes")["items"]}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("phone", [False, True], ids=["wide", "phone"])
def test_everybody_can_use_them(open_page: Open, cloud: Cloud, axe: str, scheme: str, phone: bool) -> None:
    made = make(
        cloud, "deployer", name="a-name-that-is-so-long-that-no-column-can-hold-it-" * 2, project="red", ttl_s=3600
    )
    cloud.call("PUT", "/api/registries/registry.example:5000", {"username": "ada", "password": "x"})
    found = []
    page = open_page(PAGES[0], phone=phone, scheme=scheme)
    for path in (*PAGES, *(f"{one}?new=true" for one in PAGES[1:])):
        page.goto(path)
        expect(page.locator("h1")).to_be_visible()
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        if "new" in path:
            expect(page.get_by_role("dialog")).to_be_visible()
        found += violations(page, axe, path)
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, f"{path} scrolls sideways by {wider} px"
    page.goto("/dashboard/settings/keys?new=true")
    page.get_by_role("button", name="Make it").click()
    expect(page.locator(".secret")).to_be_visible()
    found += violations(page, axe, "secret")
    assert "\n".join(found) == ""
    cloud.call("DELETE", f"/api/keys/{made['id']}")
    cloud.call("DELETE", "/api/registries/registry.example:5000")
