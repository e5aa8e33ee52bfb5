"""Source from a git repository: only what its commit holds, fetched without running anything that came with it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from draas.agent.runtimes.build.command import run_command
from draas.agent.runtimes.build.failure import BuildFailed
from draas.agent.runtimes.build.stopping import Stopping
from draas.model.allocation import Cause
from draas.model.errors import Invalid

FETCH_S = 900.0
SCHEMES = ("https", "http", "ssh")
TOKEN, SSH_KEY = "GIT_AUTH_TOKEN", "GIT_SSH_KEY"  # ids of build secrets that open private repositories
USER = "x-access-token"  # what code hosts expect beside a token; most take any name
_SCP = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]*)@([A-Za-z0-9][A-Za-z0-9.-]*):(?!//)([^\s:][^\s]*)")
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]{0,254}")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:.]+\]")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY")
_SHALLOW_REFUSED = "does not support shallow"


@dataclass(frozen=True, slots=True, kw_only=True)
class GitUrl:
    """`url` as git is given it, without a password; `ref` is a branch, tag or commit, or HEAD."""

    url: str
    ref: str
    host: str
    username: str = ""
    password: str = ""


def parse_git_url(text: str) -> GitUrl:
    """`https://HOST/PATH#REF` and its like. Raises Invalid naming what is wrong; the message has no password in it."""
    address, _, ref = text.partition("#")
    if ref and (not _REF.fullmatch(ref) or ".." in ref or "//" in ref or ref.endswith(("/", ".", ".lock"))):
        raise Invalid(f"{ref[:80]!r} is no branch, tag or commit: write URL#BRANCH, with letters, digits and . _ / + -")
    if scp := _SCP.fullmatch(address):
        return GitUrl(url=f"ssh://{scp[1]}@{scp[2]}/{scp[3].lstrip('/')}", ref=ref or "HEAD", host=scp[2])
    try:
        parts = urlsplit(address)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        raise Invalid("the git URL is malformed: write https://HOST/PATH#BRANCH") from None
    if parts.scheme not in SCHEMES:
        raise Invalid(
            f"git URLs begin with https://, http:// or ssh://, not with {parts.scheme[:20] or address[:20]!r}"
        )
    shown = f"[{host}]" if ":" in host else host
    if not _HOST.fullmatch(shown) or not parts.path.strip("/") or not address.isprintable() or " " in address:
        raise Invalid("the git URL has no host, or no path, or blanks: write https://HOST/PATH#BRANCH")
    where = f"{shown}:{port}" if port else shown
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    if parts.scheme == "ssh":
        if username and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", username):
            raise Invalid(f"{username[:40]!r} is no user name for ssh")
        user = f"{username}@" if username else ""
        return GitUrl(url=f"ssh://{user}{where}{parts.path}", ref=ref or "HEAD", host=where)
    url = urlunsplit((parts.scheme, where, parts.path, parts.query, ""))
    return GitUrl(url=url, ref=ref or "HEAD", host=where, username=username, password=password)


def git_environment(git: GitUrl, private: Path, *, token: str, ssh_key: str) -> dict[str, str]:
    """Nothing of this machine's own: no settings, no keys, no questions asked. Writes what opens the repository to `private`."""
    scheme = urlsplit(git.url).scheme
    settings = {
        "init.templateDir": "",
        "core.hooksPath": "/dev/null",
        "credential.helper": "",
        "http.lowSpeedLimit": "1000",
        "http.lowSpeedTime": "60",
        "advice.detachedHead": "false",
        "fetch.fsckObjects": "true",
    }
    username, password = (USER, token) if token and not git.password else (git.username, git.password)
    names = list(settings.items())
    if password and scheme != "ssh":
        stored = private / "git-credentials"
        _write_private(stored, f"{scheme}://{quote(username, safe='')}:{quote(password, safe='')}@{git.host}\n")
        names.append(("credential.helper", f"store --file={stored}"))
    ssh = ["ssh", "-F", "/dev/null", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=20"]
    ssh += ["-o", "StrictHostKeyChecking=accept-new", "-o", f"UserKnownHostsFile={private}/known_hosts"]
    if ssh_key:
        _write_private(private / "ssh-key", ssh_key.rstrip("\n") + "\n")
    ssh += ["-o", f"IdentityFile={private}/ssh-key" if ssh_key else "IdentityFile=none"]
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(private),
        "LANG": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "SSH_ASKPASS": "/bin/false",
        "GIT_ALLOW_PROTOCOL": ":".join(SCHEMES),
        "GIT_SSH_COMMAND": " ".join(ssh),
        "GIT_CONFIG_COUNT": str(len(names)),
    }
    for number, (name, value) in enumerate(names):
        environment |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return environment | {name: os.environ[name] for name in _PROXIES if name in os.environ}


def fetch_source(
    git: GitUrl, into: Path, private: Path, stopping: Stopping, *, token: str = "", ssh_key: str = ""
) -> str:
    """Write the tree of the commit to the tar file `into`; the commit's id. Raises BuildFailed, which says what git said."""
    repository = private / "git"
    environment = git_environment(git, private, token=token, ssh_key=ssh_key)

    def run(*words: str) -> tuple[int, str]:
        return run_command(["git", *words], environment, stopping, FETCH_S)

    def must(*words: str) -> str:
        code, said = run(*words)
        if code != 0:
            raise BuildFailed(Cause.EXIT, f"{git.url} could not be fetched: {_last(said, code)}")
        return said

    must("init", "--quiet", "--bare", str(repository))
    fetch = ["-C", str(repository), "fetch", "--quiet", "--no-tags", "--no-recurse-submodules"]
    code, said = run(*fetch, "--depth=1", "--", git.url, git.ref)
    if code != 0 and _SHALLOW_REFUSED in said:
        code, said = run(*fetch, "--", git.url, git.ref)
    if code != 0:
        raise BuildFailed(
            Cause.EXIT,
            f"{git.ref} of {git.url} could not be fetched ({_last(said, code)}): check the URL and the branch, "
            f"and for a private repository give the build the secret {SSH_KEY if git.url.startswith('ssh:') else TOKEN}",
        )
    (repository / "info").mkdir(exist_ok=True)
    # What .gitattributes says of archives is for releases: here the tree is wanted as it is.
    (repository / "info" / "attributes").write_text("* -export-ignore -export-subst\n")
    must("-C", str(repository), "archive", "--format=tar", f"--output={into}", "FETCH_HEAD")
    return must("-C", str(repository), "rev-parse", "FETCH_HEAD").strip()


def _last(said: str, code: int) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    fatal = [line for line in lines if line.startswith(("fatal:", "error:", "ERROR:", "remote:"))]
    return (fatal or lines or [f"exit code {code}"])[0][:300]


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
