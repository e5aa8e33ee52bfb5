"""What deploy/ ships: settings that exist, and units that systemd understands."""

import configparser
import os
import re
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
# The public contract: names that the configuration reads.
SETTINGS = {
    "DRAAS_URL", "DRAAS_KEY", "DRAAS_DATA_DIR", "DRAAS_DATABASE_URL", "DRAAS_LISTEN", "DRAAS_ADMIN_KEY", "DRAAS_TLS",
    "DRAAS_JOIN_TOKEN", "DRAAS_NODE_NAME", "DRAAS_NODE_CPUS", "DRAAS_NODE_MEMORY_MB", "DRAAS_ADVERTISE", "DOCKER_HOST",
    "DRAAS_APPS_DOMAIN", "DRAAS_ACME_EMAIL", "DRAAS_TRUSTED_PROXIES",
    "DRAAS_BLOBS", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL",
    "DOCKER_HUB_PUSH", "DOCKER_USERNAME", "DOCKER_PASSWORD", "DOCKER_HUB_REGISTRY",
}  # fmt: skip


@pytest.mark.parametrize("file", ["agent.env.example", "controller.env.example"])
def test_examples_name_settings_that_exist_and_hold_no_secret(file: str) -> None:
    settings = dict(re.findall(r"^#?([A-Z_]+)=(.*)$", (DEPLOY / file).read_text(), re.MULTILINE))
    assert settings.keys() - SETTINGS == set()
    assert {
        name: value for name, value in settings.items() if name.endswith(("KEY", "TOKEN", "PASSWORD")) and value
    } == {}


@pytest.mark.parametrize(("unit", "command"), [("draas-agent", "draas agent"), ("draas-controller", "draas server")])
def test_units_start_the_program_and_restart_it(unit: str, command: str) -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read(DEPLOY / f"{unit}.service")
    assert parser["Service"]["ExecStart"].endswith(command)
    assert parser["Service"]["Restart"] == "always"
    assert parser["Install"]["WantedBy"] == "multi-user.target"


@pytest.mark.parametrize("script", ["draas", "test", ".ci/run", "deploy/venv", "deploy/lock"])
def test_scripts_can_be_run(script: str) -> None:
    assert os.access(DEPLOY.parent / script, os.X_OK)
