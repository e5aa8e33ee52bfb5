"""Base images for builds where no registry of images is reached: Python, Node and nginx out of Debian's packages.

Made once a machine, kept as a tar that `docker import` reads, and made again when a package has a newer version. They stand in for the
official images in what a recipe relies on: names of programs, folders, and the command of nginx. Needs apt-get and dpkg-deb.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CACHE = Path("/var/tmp/draas-base-images")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DOWNLOAD_TIMEOUT_S = 300
ORDINARY_TIMEOUT_S = 120
# What packages take for granted (Debian policy 3.8), as far as recipes and programs need it.
ESSENTIAL = ("dash", "coreutils", "findutils", "grep", "sed", "libc-bin", "base-passwd")
_MERGED = ("bin", "sbin", "lib", "lib64")
_LEFT_OUT = tuple(f"./usr/share/{name}" for name in ("doc", "man", "locale", "info", "lintian"))
_LEFT_OUT_ANYWHERE = ("*.a", "*.d.ts", "*.map", "gconv")
_NGINX_CONF = """worker_processes auto;
error_log /dev/stderr notice;
pid /run/nginx.pid;
events { worker_connections 1024; }
http {
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  access_log /dev/stdout;
  sendfile on;
  client_body_temp_path /var/cache/nginx/client_temp;
  proxy_temp_path /var/cache/nginx/proxy_temp;
  fastcgi_temp_path /var/cache/nginx/fastcgi_temp;
  uwsgi_temp_path /var/cache/nginx/uwsgi_temp;
  scgi_temp_path /var/cache/nginx/scgi_temp;
  include /etc/nginx/conf.d/*.conf;
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImage:
    """What `packages` need, then `arrange(folder)`: what the official image has and Debian has not. `changes` are lines of a Dockerfile."""

    packages: tuple[str, ...]
    arrange: Callable[[Path], None]
    changes: tuple[str, ...] = ()


def _arrange_python(folder: Path) -> None:
    """`python`, and a pip that may install for all."""
    (folder / "usr/bin/python").symlink_to("python3")
    for marker in folder.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        marker.unlink()


def _arrange_node(folder: Path) -> None:
    """Debian's is whole."""


def _arrange_nginx(folder: Path) -> None:
    (folder / "etc/nginx/nginx.conf").write_text(_NGINX_CONF)
    for name in ("etc/nginx/conf.d", "var/cache/nginx", "usr/share/nginx/html", "run"):
        (folder / name).mkdir(parents=True, exist_ok=True)


# By the name of the image as recipes have it (draas.build.recipe.BASES).
BASE_IMAGES = {
    "python": BaseImage(packages=("python3", "python3-pip"), arrange=_arrange_python),
    "node": BaseImage(packages=("nodejs", "npm"), arrange=_arrange_node),
    "nginx": BaseImage(packages=("nginx-light",), arrange=_arrange_nginx, changes=('CMD ["nginx", "-g", "daemon off;"]',)),
}  # fmt: skip


def base_tar(name: str, cache: Path = CACHE) -> Path:
    """The content of the base image `name` as a tar, made where it is not there.

    Raises RuntimeError with what apt-get or another program says, for example where no package mirror is reached.
    """
    base = BASE_IMAGES[name]
    with _held(cache):
        packages = _packages(base.packages, cache)
        made = cache / f"{name}-{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:16]}.tar"
        if not made.is_file():
            for old in cache.glob(f"{name}-*.tar"):
                old.unlink()
            _apt(("--download-only", "install", *base.packages, *ESSENTIAL), cache, cache / "debs")
            _make(base, packages, cache, made)
    return made


def import_words(name: str, tag: str, cache: Path = CACHE) -> list[str]:
    """The words after `docker` that give an engine the base image `name` as `tag`. Raises RuntimeError."""
    base = BASE_IMAGES[name]
    changes = [word for change in (f"ENV PATH={PATH}", *base.changes) for word in ("--change", change)]
    return ["import", *changes, str(base_tar(name, cache)), tag]


@contextmanager
def _held(cache: Path) -> Iterator[None]:
    """By one process at a time."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _apt(words: Sequence[str], cache: Path, archives: Path) -> str:
    """apt-get as on a machine with nothing installed."""
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    nothing = cache / "nothing-installed"
    nothing.touch()
    options = {
        "Dir::State::status": nothing,
        "Dir::Cache::archives": archives,
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "Debug::NoLocking": "1",
        "APT::Sandbox::User": "",
        "APT::Install-Recommends": "0",
    }
    settings = [word for option, value in options.items() for word in ("-o", f"{option}={value}")]
    return _run(["apt-get", "-y", *settings, *words], DOWNLOAD_TIMEOUT_S)


def _packages(names: Sequence[str], cache: Path) -> list[str]:
    """The file names of all packages that these need."""
    told = _apt(
        ("--print-uris", "install", *names, *ESSENTIAL), cache, cache / "no-debs"
    )  # what is there is not listed
    return sorted(line.split()[1] for line in told.splitlines() if line.startswith("'"))


def _make(base: BaseImage, packages: Sequence[str], cache: Path, made: Path) -> None:
    folder = cache / f"{made.stem}.making"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        for name in _MERGED:
            (folder / "usr" / name).mkdir(parents=True)
            (folder / name).symlink_to(f"usr/{name}")
        for name, mode in (("etc", 0o755), ("run", 0o755), ("root", 0o700), ("tmp", 0o1777)):
            (folder / name).mkdir()
            (folder / name).chmod(mode)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda package: _unpack(cache / "debs" / package, folder), packages))
        _after_unpacking(folder)
        base.arrange(folder)
        part = made.with_suffix(".part")
        owned = ("--owner=0", "--group=0", "--numeric-owner", "--sort=name")
        _run(["tar", "-c", *owned, "-f", str(part), "-C", str(folder), "."], ORDINARY_TIMEOUT_S)
        part.rename(made)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unpack(package: Path, folder: Path) -> None:
    unpacking = ["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-C", str(folder)]
    excluded = [f"--exclude={path}" for path in (*_LEFT_OUT, *_LEFT_OUT_ANYWHERE)]
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as reading:
        done = subprocess.run(
            [*unpacking, *excluded], stdin=reading.stdout, capture_output=True, timeout=ORDINARY_TIMEOUT_S, check=False
        )
    if reading.returncode or done.returncode:
        raise RuntimeError(f"{package.name} cannot be unpacked: {done.stderr.decode(errors='replace').strip()}")


def _after_unpacking(folder: Path) -> None:
    """What the packages' own scripts would have done, as far as it is needed."""
    for kind in ("passwd", "group"):
        shutil.copy(folder / f"usr/share/base-passwd/{kind}.master", folder / "etc" / kind)
    # What the machine trusts its images trust too: the way to a package index may lead through its owner's proxy.
    trusted = Path("/etc/ssl/certs/ca-certificates.crt")
    if trusted.is_file():
        (folder / "etc/ssl/certs").mkdir(parents=True, exist_ok=True)
        shutil.copy(trusted, folder / "etc/ssl/certs/ca-certificates.crt")


def _run(words: Sequence[str], timeout_s: float) -> str:
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout_s, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(f"{words[0]}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout
