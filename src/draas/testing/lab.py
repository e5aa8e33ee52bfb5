"""Lab: machines with agents, joined to a controller, all real, to be broken by tests and benches."""

import sys
from collections.abc import Mapping, Sequence

from draas.testing.controller_process import ControllerProcess
from draas.testing.machines import Machine, OnMachine
from draas.testing.waiting import PATIENCE_S, wait_for
from draas.wire.views import NodeView

CPUS = 4  # what each machine allots: jobs of a test ask for a tenth of a core
MEMORY_MB = 2048


class AgentOn:
    """One agent on a machine. Several may be there at once, each with a data folder of its own on the machine's disk."""

    def __init__(
        self,
        machine: Machine,
        *,
        name: str = "",
        labels: Mapping[str, str] | None = None,
        host_jobs: str = "plain",
        roles: Sequence[str] = ("worker", "builder"),
        program: Sequence[str] = (sys.executable, "-m", "draas"),
    ) -> None:
        self.machine = machine
        self.name = name or machine.name
        self.data_dir = machine.disk / f"draas-{self.name}"
        self._labels = dict(labels or {})
        self._host_jobs = host_jobs
        self._roles = list(roles)
        self._program = list(program)
        self.process: OnMachine | None = None

    def join(self, url: str, token: str) -> OnMachine:
        """`draas join`; the agent runs on."""
        return self._start("join", url, token)

    def start(self) -> OnMachine:
        """`draas agent`, as after a restart: it knows who it is."""
        return self._start("agent")

    def _start(self, *words: str) -> OnMachine:
        labels = [word for label, value in self._labels.items() for word in ("--label", f"{label}={value}")]
        flags = ["--cpus", str(CPUS), "--memory-mb", str(MEMORY_MB), "--name", self.name, *labels]
        flags += ["--role", ",".join(self._roles)]
        if self._host_jobs != "off":
            flags.append(f"--allow-host-jobs={self._host_jobs}")
        env = {"DRAAS_DATA_DIR": str(self.data_dir), "DRAAS_ADVERTISE": self.machine.address, "DOCKER_HOST": ""}
        self.process = self.machine.start([*self._program, *words, *flags], f"agent-{self.name}.log", env)
        return self.process

    def kill(self) -> None:
        """SIGKILL the agent; what it started goes on."""
        assert self.process is not None
        self.process.kill()

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.running()

    def containers(self) -> dict[str, str]:
        """Of each container of a job on the machine, by allocation: when it was started."""
        label = '{{index .Config.Labels "draas.allocation"}} {{.State.StartedAt}}'
        ids = self.machine.docker("ps", "-aq", "--filter", "label=draas.allocation").split()
        lines = self.machine.docker("inspect", "--format", label, *ids).splitlines() if ids else []
        return {line.split()[0]: line.split()[1] for line in lines}


class _Seen:
    """One agent's node; as text with the end of the agent's log, which says what keeps it."""

    def __init__(self, agent: AgentOn, nodes: Sequence[NodeView]) -> None:
        self._agent = agent
        self._node = next((node for node in nodes if node["name"] == agent.name), None)

    @property
    def ready(self) -> bool:
        node = self._node
        return node is not None and node["state"] == "ready" and all(r["available"] for r in node["runtimes"])

    def __repr__(self) -> str:
        log = self._agent.process.output()[-1500:] if self._agent.process is not None else ""
        return f"{self._agent.name}: {self._node}\n{log}\n"


class Lab:
    """A controller and the agents that joined it."""

    def __init__(self, controller: ControllerProcess, agents: Sequence[AgentOn]) -> None:
        self.controller = controller
        self.agents = list(agents)

    def join_all(self, timeout_s: float = PATIENCE_S) -> None:
        """Start every agent with a token of its own, and wait until all are ready."""
        for agent in self.agents:
            agent.join(self.controller.url, self.controller.join_token())
        self.wait_ready(timeout_s)

    def wait_ready(self, timeout_s: float = PATIENCE_S) -> None:
        """Wait until every agent's node is ready and has its engine."""
        wait_for(
            lambda: [_Seen(agent, self.controller.nodes()) for agent in self.agents],
            lambda seen: all(one.ready for one in seen),
            "every node ready",
            timeout_s,
        )

    def agent(self, name: str) -> AgentOn:
        """The agent of this name."""
        return next(agent for agent in self.agents if agent.name == name)
