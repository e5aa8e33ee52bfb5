"""Building with the engine's BuildKit, through a docker command that speaks it."""

import os
import re
from pathlib import Path

from draas.agent.runtimes.build.command import follow_command
from draas.agent.runtimes.build.docker_command import Files, build_environment, build_words
from draas.agent.runtimes.build.engine import docker_config
from draas.agent.runtimes.build.failure import BuildFailed
from draas.agent.runtimes.build.log_text import clean, is_noise
from draas.agent.runtimes.build.order import Order
from draas.agent.runtimes.build.source_tree import Plan
from draas.agent.runtimes.build.stopping import Stopping
from draas.agent.runtimes.build.telling import Telling
from draas.model.allocation import Cause

_PREFIXES = re.compile(
    r"^(?:ERROR: |failed to build: |failed to solve(?: with frontend [\w.]+)?: |rpc error: code = \w+ desc = )+"
)
_EXIT_CODE = re.compile(r"exit code: (\d+)")
_STEP = re.compile(r"^ > (\[.*\]) (.*?):?$")


def build_with_buildkit(order: Order, plan: Plan, text: str, private: Path, stopping: Stopping, tell: Telling) -> str:
    """The image's id. Raises BuildFailed; that memory ran out only the group's own count can tell."""
    files = Files(
        dockerfile=private / "recipe" / "Dockerfile", image_id=private / "image-id", config=private / "docker"
    )
    files.dockerfile.parent.mkdir()
    files.dockerfile.write_text(text)
    if plan.ignore is not None:
        files.dockerfile.with_name("Dockerfile.dockerignore").write_text(plan.ignore)
    files.config.mkdir(mode=0o700)
    (files.config / "config.json").write_text(docker_config((order.registry, *order.logins)))
    failing = Failing()

    def say(line: str) -> None:
        shown = clean(line)
        failing.take(shown)
        if not is_noise(shown):
            tell(shown)

    secrets = {id: _in_memory(value) for id, value in order.build.secrets.items()}
    try:
        paths = {id: f"/proc/self/fd/{descriptor}" for id, descriptor in secrets.items()}
        words = build_words(order, plan.context, files, paths)
        code = follow_command(words, build_environment(files.config), stopping, say, fds=list(secrets.values()))
    finally:
        for descriptor in secrets.values():
            os.close(descriptor)
    if code != 0:
        raise failing.failure(code)
    return files.image_id.read_text().strip()


def _in_memory(secret: str) -> int:
    """A file without a name, on no disk."""
    descriptor = os.memfd_create("secret")
    os.write(descriptor, secret.encode())
    return descriptor


class StepFailed(BuildFailed):
    """A RUN step ended with another code than 0."""

    def __init__(self, exit_code: int, detail: str) -> None:
        super().__init__(Cause.EXIT, detail)
        self.exit_code = exit_code


class Failing:
    """Reads out of the docker command's output why it failed: the step that it names, and its last line."""

    def __init__(self) -> None:
        self._step = self._last = ""

    def take(self, line: str) -> None:
        """One cleaned line."""
        if found := _STEP.match(line):
            self._step = found[2]
        elif line.strip() and not line.startswith(("---", "#", ">>>")):
            self._last = line.strip()

    def failure(self, code: int) -> BuildFailed:
        """What to raise where the command ended with `code`."""
        said = _PREFIXES.sub("", self._last) or f"docker build ended with exit code {code}"
        if (found := _EXIT_CODE.search(said)) is not None:
            return step_failed(int(found[1]), self._step or said)
        return BuildFailed(Cause.EXIT, f"{said}: correct the Dockerfile or the source; the lines above say more")


def step_failed(exit_code: int, step: str) -> StepFailed:
    """The words for it."""
    shown = step if len(step) <= 300 else step[:300] + "…"
    return StepFailed(exit_code, f"{shown!r} ended with exit code {exit_code}: see what it printed above")
