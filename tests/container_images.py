"""A container image for tests, made of the Python that runs them: no registry is needed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REPOSITORY = "lokki-tf-tests"
_SKIPPED = {"site-packages", "__pycache__", "test", "idlelib", "tkinter", "ensurepip", "lib2to3"}
_LIBRARY = re.compile(r"(/\S+) \(0x")


def docker_client() -> Any:
    """Return a client of the Docker API, or None if none answers."""
    try:
        import docker

        client = docker.from_env(timeout=120)
        client.ping()
    except Exception:
        return None
    return client


def image_of(client: Any, app: Path) -> str:
    """Return the name of an image whose entry is ``python entry.py``, in a folder's copy.

    What the engine already has is not made again.

    Args:
        client: of the Docker API.
        app: the folder, with ``entry.py``.
    """
    made_of = (app / "entry.py").read_bytes() + Path(__file__).read_bytes() + sys.version.encode()
    tag = hashlib.sha256(made_of).hexdigest()[:16]
    name = f"{REPOSITORY}:{tag}"
    if not client.images.list(name=name):
        with tempfile.TemporaryDirectory() as scratch:
            layer, archive = Path(scratch) / "layer.tar", Path(scratch) / "image.tar"
            _write_root(layer, app)
            _write_image(archive, layer, name)
            with archive.open("rb") as file:
                client.images.load(file)
    return name


def _write_image(archive: Path, layer: Path, name: str) -> None:
    """Write an image as ``docker save`` does: its settings and its one layer."""
    with layer.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    python = Path(sys.base_prefix) / "bin" / "python3"
    config = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine],
        "os": "linux",
        "config": {
            "Entrypoint": [str(python), "entry.py"],
            "Env": [
                "PYTHONUNBUFFERED=1",
                "PATH=/usr/bin:/bin",
                f"LD_LIBRARY_PATH={sysconfig.get_config_var('LIBDIR')}",
            ],
            "WorkingDir": "/app",
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": [layer.name]}]
    with tarfile.open(archive, "w") as image:
        image.add(layer, layer.name)
        for file_name, content in (("config.json", config), ("manifest.json", manifest)):
            text = json.dumps(content).encode()
            entry = tarfile.TarInfo(file_name)
            entry.size = len(text)
            image.addfile(entry, io.BytesIO(text))


def _write_root(layer: Path, app: Path) -> None:
    prefix = Path(sys.base_prefix)
    python = (prefix / "bin" / "python3").resolve()
    standard = Path(sysconfig.get_path("stdlib", vars={"installed_base": str(prefix)}))
    with tarfile.open(layer, "w") as root:
        root.add(python, _inside(prefix / "bin" / "python3"))
        root.add(standard, _inside(standard), filter=_kept)
        for library in sorted(set(_libraries(python, *standard.glob("lib-dynload/*.so")))):
            root.add(library.resolve(), _inside(library))
        root.add(app, "app")
        temporary = tarfile.TarInfo("tmp")
        temporary.type, temporary.mode = tarfile.DIRTYPE, 0o1777
        root.addfile(temporary)


def _inside(path: Path) -> str:
    return str(path).lstrip("/")


def _kept(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    name = entry.name.rpartition("/")[2]
    return None if name in _SKIPPED or name.startswith("config-") else entry


def _libraries(*binaries: Path) -> Iterator[Path]:
    found = subprocess.run(
        ["ldd", *map(str, binaries)], capture_output=True, text=True, check=False
    ).stdout
    for match in _LIBRARY.finditer(found):
        yield Path(match[1])
