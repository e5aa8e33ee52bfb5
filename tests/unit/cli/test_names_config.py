"""What the controller and an agent are told of names and certificates: what is taken, and the one line where it cannot be."""

from pathlib import Path

import click
import pytest

from draas.cli.agent import agent_config
from draas.cli.server import server_config
from draas.server.acme.client import LETS_ENCRYPT
from draas.server.config import AcmeConfig


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (
        "DRAAS_APPS_DOMAIN",
        "DRAAS_ACME_EMAIL",
        "DRAAS_ACME_DIRECTORY",
        "DRAAS_DNS_PORT",
        "DRAAS_DNS_FORWARD",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DRAAS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DRAAS_URL", "http://127.0.0.1:1")


def test_the_apps_domain_by_flag_variable_and_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert server_config({}).policy.apps_domain == "localhost"
    file = tmp_path / "controller.toml"
    file.write_text('apps_domain = "File.Home"\n')
    assert server_config({"config": str(file)}).policy.apps_domain == "file.home"
    monkeypatch.setenv("DRAAS_APPS_DOMAIN", "variable.home")
    assert server_config({"config": str(file)}).policy.apps_domain == "variable.home"
    assert server_config({"config": str(file), "apps_domain": "flag.home."}).policy.apps_domain == "flag.home"
    file.write_text('[policy]\napps_domain = "policy.home"\n')
    monkeypatch.delenv("DRAAS_APPS_DOMAIN")
    assert server_config({"config": str(file)}).policy.apps_domain == "policy.home"


def test_acme() -> None:
    assert server_config({}).acme is None
    assert server_config({"acme_email": "a@b.org"}).acme == AcmeConfig(email="a@b.org", directory=LETS_ENCRYPT)
    own = {"acme_email": "a@b.org", "acme_directory": "https://ca.home:9000/acme/acme/directory"}
    assert server_config(own).acme.directory == "https://ca.home:9000/acme/acme/directory"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"apps_domain": "*.apps.home"}, "--apps-domain must be the domain alone"),
        ({"apps_domain": "a b"}, "--apps-domain must be a domain such as apps.home"),
        ({"acme_email": "nobody"}, "--acme-email must be an address such as you@example.org, not 'nobody'"),
        ({"acme_email": "a@b.org?x=1"}, "--acme-email must be an address"),
        ({"acme_directory": "https://ca.home/dir"}, "--acme-directory needs --acme-email"),
        ({"acme_email": "a@b.org", "acme_directory": "http://ca.home/dir"}, "--acme-directory must be an https:// URL"),
    ],
)
def test_what_a_controller_is_told_wrong(given: dict[str, str], message: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        server_config(given)
    assert message in caught.value.message


def test_a_wrong_domain_in_the_policy_is_told(tmp_path: Path) -> None:
    file = tmp_path / "controller.toml"
    file.write_text('[policy]\napps_domain = "http://x"\n')
    with pytest.raises(click.UsageError, match=r"policy\.apps_domain must be a domain"):
        server_config({"config": str(file)})


def test_dns() -> None:
    config = agent_config({"role": "dns", "dns_port": "5353", "dns_forward": "10.0.0.1, system"})
    assert (config.dns_port, config.dns_forward) == (5353, ("10.0.0.1", "system"))
    assert (agent_config({}).dns_port, agent_config({}).dns_forward) == (53, ())
    with pytest.raises(click.UsageError, match="--dns-port must be between 1 and 65535, not 0"):
        agent_config({"dns_port": "0"})
    with pytest.raises(click.UsageError, match="--dns-forward: 'router' is no IP address; give one, or system"):
        agent_config({"dns_forward": "router"})
