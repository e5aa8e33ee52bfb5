"""`draas`: the group of all commands."""

from draas.cli.lazy import Lazy
from draas.cli.program import Program

COMMANDS = {
    "up": Lazy("draas.cli.up:up", "Run a controller and an agent on this machine."),
    "demo": Lazy("draas.cli.demo:demo", "The same, then run a sample job and show where to look."),
    "server": Lazy("draas.cli.server:server", "Run a controller."),
    "agent": Lazy("draas.cli.agent:agent", "Run this machine's agent."),
    "join": Lazy("draas.cli.agent:join", "Join a cluster and run the agent."),
    "run": Lazy("draas.cli.run:run", "Run a command somewhere and follow its output."),
    "jobs": Lazy("draas.cli.jobs:jobs", "Jobs: list, show, logs, submit, cancel, retry, rm."),
    "deploy": Lazy("draas.cli.deploy:deploy", "Run an app and keep it running, from a folder or an image."),
    "builds": Lazy("draas.cli.builds:builds", "Builds: list, show, logs, cancel, retry, rm."),
    "detect": Lazy("draas.cli.detect:detect", "What would be built from a folder, and its Dockerfile."),
    "apps": Lazy("draas.cli.apps:apps", "Apps: list, show, scale, restart, rollback, releases, canary, rebalance, rm."),
    "plan": Lazy("draas.cli.plan:plan", "What applying draas.yaml would change."),
    "apply": Lazy("draas.cli.plan:apply", "Make apps as draas.yaml says."),
    "logs": Lazy("draas.cli.logs:logs", "The output of an app or a job."),
    "explain": Lazy("draas.cli.explain:explain", "Why an app or a job is as it is, and runs where it runs."),
    "status": Lazy("draas.cli.status:status", "How the cluster is, the gravest problem first."),
    "nodes": Lazy("draas.cli.nodes:nodes", "Machines: list, show, drain, ready, label, rm, token."),
    "keys": Lazy("draas.cli.keys:keys", "Keys: list, make, rotate, revoke."),
    "certs": Lazy("draas.cli.certs:certs", "Certificates: list, add, rm."),
    "registries": Lazy("draas.cli.registries:registries", "Logins to registries of others: list, add, rm."),
    "images": Lazy("draas.cli.images:images", "Images that the controller keeps: list, show, prune, rm."),
    "dashboard": Lazy("draas.cli.dashboard:dashboard", "Print a link that signs a browser in once."),
    "doctor": Lazy("draas.cli.doctor:doctor", "Check this machine and the way to the controller."),
    "completion": Lazy("draas.cli.completion:completion", "Print the completion script of your shell."),
    "version": Lazy("draas.cli.version:version", "Print the version."),
}

main = Program(
    name="draas",
    commands_at=COMMANDS,
    help="One cloud out of the machines you own.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
