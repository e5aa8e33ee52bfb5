"""What the controller and an agent are told of names, certificates and Docker Hub: what is taken, and the one line where it cannot be."""

from pathlib import Path

import click
import pytest

from draas.cli.agent import agent_config
from draas.cli.server import server_config
from draas.server.config import LETS_ENCRYPT, AcmeConfig, DockerHub


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (
        "DRAAS_APPS_DOMAIN",
        "DRAAS_ACME_EMAIL",
        "DRAAS_ACME_DIRECTORY",
        "DRAAS_DNS_PORT",
        "DRAAS_DNS_FORWARD",
        "DOCKER_HUB_PUSH",
        "DOCKER_USERNAME",
        "DOCKER_PASSWORD",
        "DOCKER_HUB_REGISTRY",
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


# --- Docker Hub ---

HUSH = "hush-hush"


def put(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("push", "on"),
    [("true", True), ("1", True), ("YES", True), ("false", False), ("0", False), ("no", False), ("", False)],
)
def test_docker_hub_is_pushed_to_where_that_is_on(monkeypatch: pytest.MonkeyPatch, push: str, on: bool) -> None:
    put(monkeypatch, DOCKER_HUB_PUSH=push, DOCKER_USERNAME="me", DOCKER_PASSWORD=HUSH)
    assert server_config({}).docker_hub == (DockerHub(username="me", password=HUSH) if on else None)
    assert HUSH not in repr(server_config({}))


def test_docker_hub_by_variable_and_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put(monkeypatch, DOCKER_USERNAME="me", DOCKER_PASSWORD=HUSH)
    assert server_config({}).docker_hub is None  # an account alone means nothing
    file = tmp_path / "controller.toml"
    file.write_text('docker_hub_push = true\ndocker_username = "filed"\ndocker_hub_registry = "Mirror.example:5000"\n')
    told = {"config": str(file)}
    mirror = DockerHub(username="me", password=HUSH, registry="mirror.example:5000")
    assert server_config(told).docker_hub == mirror
    put(monkeypatch, DOCKER_HUB_REGISTRY="index.docker.io", DOCKER_USERNAME="")
    assert server_config(told).docker_hub == DockerHub(username="filed", password=HUSH)
    put(monkeypatch, DOCKER_HUB_PUSH="no")
    assert server_config(told).docker_hub is None


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"DOCKER_HUB_PUSH": "maybe"}, "DOCKER_HUB_PUSH must be true, false, 1, 0, yes, no, not 'maybe'"),
        ({"DOCKER_PASSWORD": ""}, "DOCKER_HUB_PUSH is on: set DOCKER_PASSWORD as well, or DOCKER_HUB_PUSH=false"),
        ({"DOCKER_USERNAME": ""}, "set DOCKER_USERNAME as well"),
        ({"DOCKER_USERNAME": "", "DOCKER_PASSWORD": ""}, "set DOCKER_USERNAME and DOCKER_PASSWORD as well"),
        ({"DOCKER_USERNAME": "me@example.org"}, "DOCKER_USERNAME must be the account's name"),
        ({"DOCKER_HUB_REGISTRY": "https://hub"}, "DOCKER_HUB_REGISTRY: 'https://hub' is no registry"),
    ],
)
def test_docker_hub_told_wrong(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str) -> None:
    put(monkeypatch, **{"DOCKER_HUB_PUSH": "true", "DOCKER_USERNAME": "me", "DOCKER_PASSWORD": HUSH, **variables})
    with pytest.raises(click.UsageError) as caught:
        server_config({})
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert HUSH not in caught.value.message
