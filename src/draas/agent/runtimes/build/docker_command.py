"""The docker command that builds, as words, and what it is told beside them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from draas.agent.runtimes.build.labels import render_labels
from draas.agent.runtimes.build.order import Order

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where things of one build are: `dockerfile` and `image_id` are files, `config` a folder for the docker command."""

    dockerfile: Path
    image_id: Path
    config: Path


def build_words(order: Order, context: Path, files: Files, secrets: Mapping[str, str]) -> list[str]:
    """The docker command; `secrets` are the files from which it reads them, by id."""
    build = order.build
    words = [order.engine.cli, "--host", order.engine.url, "build", "--progress=plain"]
    words += ["--file", str(files.dockerfile), "--iidfile", str(files.image_id)]
    words += [word for name, value in sorted(build.args.items()) for word in ("--build-arg", f"{name}={value}")]
    words += [word for id, path in secrets.items() for word in ("--secret", f"id={id},src={path}")]
    words += [word for label in render_labels(order) for word in ("--label", label)]
    words += ["--target", build.target] if build.target else []
    words += [] if build.cache else ["--no-cache"]
    return [*words, "--", str(context)]


def build_environment(config: Path) -> dict[str, str]:
    """What the docker command is told beside its words: nothing of whoever runs the agent."""
    return {
        "PATH": PATH,
        "HOME": str(config),
        "DOCKER_CONFIG": str(config),
        "DOCKER_BUILDKIT": "1",
        "BUILDKIT_PROGRESS": "plain",
        "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",  # one image, not an index of image and papers
        "DOCKER_SCAN_SUGGEST": "false",
        "DOCKER_CLI_HINTS": "false",
    }
