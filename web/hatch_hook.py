"""Hatch's hook: the wheel has the dashboard in it."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Dashboard(BuildHookInterface):
    """Builds it where that is due."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before the wheel is put together. A wheel without it would not be what was asked for: what fails, fails."""
        if version != "editable":
            _load_builder(Path(self.root) / "web" / "build.py").ensure()


def _load_builder(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("draas_web_build", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
