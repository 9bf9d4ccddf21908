"""A container engine, a base image and a registry; tests are skipped if one is unavailable."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

USER, PASSWORD = "ada", "secret"
_HASH = "$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"
_OWN = "lokki-tf-test-"
_INCLUDE = "--include=python3,python3-pip"
_LEFT_OUT = (
    *("var/cache", "var/lib/apt", "var/lib/dpkg", "usr/share", "usr/sbin", "usr/lib/apt"),
    *("usr/lib/x86_64-linux-gnu/gconv", "usr/lib/x86_64-linux-gnu/perl-base", "usr/lib/gcc"),
)
_SDK = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")
"""Plain Python packages, newer than Debian's, which do not support ``AWS_ENDPOINT_URL``."""
_KEPT_DATA = ("s3", "sts")
_RECIPE = hashlib.sha256(repr((_INCLUDE, _LEFT_OUT, _SDK, _KEPT_DATA)).encode()).hexdigest()[:8]
BASE = f"localhost/{_OWN}base-{_RECIPE}:latest"


@pytest.fixture(scope="session")
def engine() -> Any:
    """Connect to the computer's container engine."""
    from lokki_tf.images import connect

    return connect()


@pytest.fixture(scope="session")
def base_image(engine: Any) -> str:
    """Make an image of Debian with Python and boto3, without pulling images."""
    from docker.errors import ImageNotFound

    with suppress(ImageNotFound):
        engine.images.get(BASE)
        return BASE
    archive = Path(tempfile.gettempdir(), f"{_OWN}base-{os.getuid()}-{_RECIPE}.tar")
    if not archive.exists():
        _make_base(archive)
    repository, _, tag = BASE.rpartition(":")
    engine.api.import_image_from_file(str(archive), repository=repository, tag=tag)
    return BASE


def _make_base(archive: Path) -> None:
    if shutil.which("debootstrap") is None or os.getuid() != 0:
        pytest.skip("a base image is made by debootstrap, as root")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        done = subprocess.run(
            ["debootstrap", "--variant=minbase", _INCLUDE, "bookworm", str(root)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"debootstrap made no base image: {done.stdout[-300:]}")
        for name in _LEFT_OUT:
            shutil.rmtree(root / name, ignore_errors=True)
        for program in (root / "usr/bin").iterdir():
            if not program.name.startswith("python3"):
                program.unlink()
        _copy_sdk(root / "usr/lib/python3/dist-packages")
        beside = archive.with_suffix(f".{os.getpid()}")
        subprocess.run(["tar", "-C", str(root), "-cf", str(beside), "."], check=True)
        beside.rename(archive)


def _copy_sdk(folder: Path) -> None:
    for name in _SDK:
        origin = Path(str(importlib.util.find_spec(name).origin))  # type: ignore[union-attr]
        if origin.name == "__init__.py":
            shutil.copytree(origin.parent, folder / name, dirs_exist_ok=True)
        else:
            shutil.copy(origin, folder)
    for data in (folder / "botocore/data").iterdir():
        if data.is_dir() and data.name not in _KEPT_DATA:
            shutil.rmtree(data)


@contextmanager
def _serving(folder: Path, *, closed: bool) -> Iterator[str]:
    program = shutil.which("docker-registry") or shutil.which("registry")
    if program is None:
        pytest.skip("docker-registry is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "users").write_text(f"{USER}:{_HASH}\n")
    access = f"auth: {{htpasswd: {{realm: test, path: {folder}/users}}}}\n" if closed else ""
    (folder / "settings.yml").write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n{access}"
    )
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [program, "serve", str(folder / "settings.yml")], stdout=log, stderr=log
        )
    try:
        _wait_for(port)
        yield f"localhost:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int) -> None:
    for _ in range(100):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("the registry did not start")


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a registry on loopback without authentication."""
    with _serving(tmp_path_factory.mktemp("registry"), closed=False) as address:
        yield address


@pytest.fixture(scope="session")
def closed_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a registry on loopback with one user."""
    with _serving(tmp_path_factory.mktemp("closed"), closed=True) as address:
        yield address


@pytest.fixture
def leaves_nothing(engine: Any) -> Iterator[None]:
    """Remove the images that a test has made, and no others: the engine may have other users."""
    yield
    for image in engine.images.list():
        for tag in image.tags:
            if _OWN in tag and tag != BASE:
                engine.images.remove(tag, force=True)


def pull(engine: Any, uri: str) -> None:
    """Pull an image from a registry on loopback, for which podman would use TLS."""
    repository, _, tag = uri.rpartition(":")
    said = list(engine.api.pull(repository, tag=tag, stream=True, decode=True))
    if any("error" in line for line in said):
        response = engine.api.post(
            f"{engine.api.base_url}/v4.0.0/libpod/images/pull",
            params={"reference": uri, "tlsVerify": "false"},
        )
        assert '"error"' not in response.text, response.text
