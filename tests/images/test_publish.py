"""Requests to engines and registries, with fakes of both."""

from __future__ import annotations

import base64
import io
import json
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import forked
import pytest

from lokki_tf.config import AwsConfig, Config
from lokki_tf.errors import ConfigError, CredentialsError, ImageError, MissingToolError
from lokki_tf.images import (
    Login,
    Repository,
    base_digest,
    build,
    connect,
    find_repository,
    has_image,
    publish,
    push,
    shown,
)
from lokki_tf.images.build import tar_files
from lokki_tf.images.failures import build_failure, push_failure
from lokki_tf.images.progress import Progress
from lokki_tf.images.registry import is_loopback, split
from lokki_tf.operate.clients import client
from lokki_tf.packaging import ImageContext
from lokki_tf.testing import LocalAws

ROOT = Path(__file__).parents[2]


@dataclass
class FakeEngine:
    """An engine that returns given messages and records its calls.

    Args:
        builds: Messages of a build.
        pushes: Messages of a push.
    """

    builds: Sequence[dict[str, Any]] = ()
    pushes: Sequence[dict[str, Any]] = ()
    arguments: list[tuple[str, Any]] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)

    @property
    def api(self) -> FakeEngine:
        return self

    def build(self, **arguments: Any) -> Iterator[dict[str, Any]]:
        self.arguments.append(("build", arguments))
        yield from self.builds

    def push(self, repository: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        self.arguments.append(
            ("push", (repository, arguments["tag"], arguments["auth_config"], self.params))
        )
        yield from self.pushes

    @property
    def done(self) -> list[str]:
        return [name for name, _ in self.arguments]


def context(tag: str | None = None, **files: bytes) -> ImageContext:
    return ImageContext("daily", {"Dockerfile": b"FROM x\n", **files}, "base", "arm64", tag)


DIGEST = f"sha256:{'0' * 64}"


@dataclass
class FakeRegistry:
    """A registry that answers whether it has an image, optionally only with a token."""

    status: int = 404
    wants_token: bool = False
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    address: str = ""


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    fake = FakeRegistry()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            who = self.headers.get("Authorization")
            fake.asked.append(("HEAD", self.path, who))
            refused = fake.wants_token and who != "Bearer good"
            self.send_response(401 if refused else fake.status)
            if not refused and fake.status == 200:
                self.send_header("Docker-Content-Digest", DIGEST)
            if refused:
                realm = f'realm="http://{fake.address}/token"'
                self.send_header("WWW-Authenticate", f'Bearer {realm},scope="pull"')
            self.end_headers()

        def do_GET(self) -> None:
            fake.asked.append(("GET", self.path, self.headers.get("Authorization")))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"token": "good"}).encode())

        def log_message(self, *about: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.address = f"127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield fake
    server.shutdown()


def test_an_image_in_the_registry_is_neither_built_nor_pushed(registry: FakeRegistry) -> None:
    """An image whose tag is the hash of its content is built and pushed only if it is missing."""
    repository = Repository(f"{registry.address}/team/daily", Login("ada", "secret"))
    engine = FakeEngine()
    made = publish(context(), repository, client=engine)
    assert (made.built, made.pushed, engine.done) == (True, True, ["build", "push"])
    registry.status = 200
    again = publish(context(), repository, client=engine)
    assert (again.uri, again.built, again.pushed) == (made.uri, False, False)
    assert engine.done == ["build", "push"]
    basic = "Basic " + base64.b64encode(b"ada:secret").decode()
    path = f"/v2/team/daily/manifests/{context().tag}"
    assert registry.asked == [("HEAD", path, basic)] * 2


def test_a_custom_tag_is_always_built_and_pushed(registry: FakeRegistry) -> None:
    """A custom tag may be that of another image, so the image is always built and pushed."""
    registry.status = 200
    engine = FakeEngine()
    made = publish(context("v1"), Repository(f"{registry.address}/daily"), client=engine)
    assert (made.uri, made.pushed) == (f"{registry.address}/daily:v1", True)
    assert engine.done == ["build", "push"]


def test_an_immutable_tag_of_the_same_content_is_no_error(registry: FakeRegistry) -> None:
    """An existing immutable tag is accepted if it is the content's hash; a custom one fails."""
    engine = FakeEngine(pushes=[{"error": "tag invalid: the tag is immutable"}])
    repository = Repository(f"{registry.address}/daily")
    assert publish(context(), repository, client=engine).pushed is False
    with pytest.raises(ImageError, match="the tag already exists"):
        publish(context("v1"), repository, client=engine)


@pytest.mark.parametrize("local", [True, False], ids=["local", "no push"])
def test_without_a_push_an_image_is_only_built(local: bool) -> None:
    """Neither an image of a local repository nor one with --no-push is pushed."""
    engine = FakeEngine()
    made = publish(context(), Repository("daily", local=local), pushing=local, client=engine)
    assert (made.built, made.pushed, engine.done) == (True, False, ["build"])


def test_a_build_receives_platform_base_and_context() -> None:
    """The engine receives the tar, the platform and the base image, and keeps no containers."""
    engine = FakeEngine([{"stream": "Step 1/1 : FROM x\n"}, {"aux": {"ID": "1"}}])
    heard: list[Progress] = []
    build(context(), "daily:1", on_progress=heard.append, client=engine)
    (_, arguments), *_ = engine.arguments
    assert arguments["fileobj"].read() == tar_files(context().files)
    assert arguments["platform"] == "linux/arm64"
    assert arguments["buildargs"] == {"BASE_IMAGE": "base"}
    assert arguments["tag"] == "daily:1"
    assert (arguments["rm"], arguments["forcerm"], arguments["custom_context"]) == (
        True,
        True,
        True,
    )
    assert heard == [Progress("Step 1/1 : FROM x")]


def test_indexes_of_uv_reach_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Package indexes are passed to the build; an index with a password is an error."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://pypi.example.com/simple")
    monkeypatch.setenv("UV_INDEX", "mine=https://a.example.com/?x=1 https://b.example.com/")
    locked = context(**{"app/requirements.lock": b"a==1\n"})
    engine = FakeEngine()
    build(locked, "daily:1", client=engine)
    assert engine.arguments[0][1]["buildargs"] == {
        "BASE_IMAGE": "base",
        "PIP_INDEX_URL": "https://pypi.example.com/simple",
        "PIP_EXTRA_INDEX_URL": "https://a.example.com/?x=1 https://b.example.com/",
    }
    monkeypatch.setenv("UV_INDEX", "mine=https://ada:secret@a.example.com/")
    with pytest.raises(ImageError, match=r"index a\.example\.com contains a password") as no:
        build(locked, "daily:1", client=FakeEngine())
    assert "secret" not in str(no.value)
    build(context(), "daily:1", client=FakeEngine())  # an image without packages needs no index


def test_a_build_that_fails_ends_with_the_last_lines() -> None:
    """The error contains the end of a long log, and the engine's last message."""
    log = [{"stream": f"line {number}\n"} for number in range(40)]
    error = {"error": "The command 'x' returned a non-zero code: 1"}
    with pytest.raises(ImageError) as caught:
        build(context(), "daily:1", client=FakeEngine([*log, error, {"stream": "never"}]))
    text = str(caught.value)
    assert "  | line 39" in text
    assert "  | line 25" in text
    assert "line 24" not in text
    assert "returned a non-zero code: 1" in text


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("write /app/x: no space left on device", "the disk is full"),
        ("/usr/bin/python3: No module named pip", "the base image has no pip"),
        ("pull access denied for nowhere, repository does not exist", "cannot be pulled"),
        ("manifest for python:9 not found: manifest unknown", "cannot be pulled"),
        ("exec /usr/bin/python3: exec format error", "for another architecture"),
        ("ERROR: No matching distribution found for polars==1", "cannot be installed"),
        ("something of its own", "could not be built: something of its own"),
    ],
)
def test_known_failures_of_builds_have_a_remedy(said: str, what: str) -> None:
    """Known failures have a description and a remedy; an unknown message is shown unchanged."""
    error = build_failure("daily:1", "exit status 1", [said]) if "own" not in said else None
    error = error or build_failure("daily:1", said, [])
    assert what in error.message
    assert error.remedy


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("denied: requested access to the resource is denied", "the registry denies access"),
        ("no basic auth credentials", "the registry denies access"),
        ("unauthorized: authentication required", "the registry denies access"),
        (
            "name unknown: The repository with name 'daily' does not exist in the registry with id",
            "the repository does not exist",
        ),
        (
            "tag invalid: The image tag 'v1' already exists in the 'daily' repository and cannot "
            "be overwritten because the tag is immutable.",
            "the tag already exists",
        ),
        ("dial tcp: lookup example.invalid: no such host", "cannot be reached"),
        ("write /var/lib/docker/tmp: no space left on device", "the disk is full"),
        ("toaster on fire", "could not be pushed: toaster on fire"),
    ],
)
def test_known_failures_of_pushes_have_a_remedy(said: str, what: str) -> None:
    """Known failures have a description and a remedy; an unknown message is shown unchanged."""
    with pytest.raises(ImageError) as caught:
        push("example.com/daily:1", client=FakeEngine(pushes=[{"status": "…"}, {"error": said}]))
    assert what in caught.value.message
    assert str(caught.value) == str(push_failure("example.com/daily:1", said))
    assert caught.value.remedy


def test_a_push_uses_the_login_and_plain_http_on_loopback() -> None:
    """A push passes user and password, and allows plain HTTP only for a registry on loopback."""
    for host, params in (("localhost:5000", {"tlsVerify": "false"}), ("example.com", {})):
        engine = FakeEngine()
        push(f"{host}/daily:1", login=Login("ada", "secret"), client=engine)
        login = {"username": "ada", "password": "secret"}
        assert engine.arguments == [("push", (f"{host}/daily", "1", login, params))]
        assert engine.params == {}


def test_a_registry_that_requires_a_token_gets_one(registry: FakeRegistry) -> None:
    """The token is requested from the server in the registry's challenge, with the login."""
    registry.wants_token, registry.status = True, 200
    assert has_image(f"{registry.address}/daily:1", Login("ada", "secret")) is True
    first, token, second = registry.asked
    assert first[2] == token[2]
    assert token[:2] == ("GET", "/token?scope=pull")
    assert second[2] == "Bearer good"


@pytest.mark.parametrize(
    ("status", "answer"), [(200, True), (404, False), (500, None), (403, None)]
)
def test_other_statuses_are_no_answer(
    registry: FakeRegistry, status: int, answer: bool | None
) -> None:
    """Only "found" and "not found" are answers."""
    registry.status = status
    assert has_image(f"{registry.address}/daily:1") is answer


def test_the_digest_of_a_base_image_is_the_registrys(
    registry: FakeRegistry, no_logins: Path
) -> None:
    """With a token if the registry requires one; without an answer it is an error."""
    registry.wants_token, registry.status = True, 200
    assert base_digest(f"{registry.address}/lambda/python:3.13") == DIGEST
    assert base_digest(f"{registry.address}/python") == DIGEST
    assert registry.asked[-1][1] == "/v2/python/manifests/latest"
    registry.status = 404
    with pytest.raises(ImageError, match="no registry returns the digest of the base image"):
        base_digest(f"{registry.address}/python:3.13")


def test_image_names_are_split_as_by_engines() -> None:
    """A first part with a dot or colon, or localhost, is a registry; the default is Docker Hub."""
    assert split("localhost:5000/x/daily:1") == ("localhost:5000", "x/daily", "1")
    assert split("localhost/daily:1") == ("localhost", "daily", "1")
    assert split("example.com/daily:1") == ("example.com", "daily", "1")
    assert split("team/daily:1") == ("registry-1.docker.io", "team/daily", "1")
    assert split("daily:1") == ("registry-1.docker.io", "library/daily", "1")
    plain = ["localhost:5000/x:1", "localhost/x:1", "127.0.0.2:80/x:1", "[::1]:80/x:1"]
    assert all(is_loopback(uri) for uri in plain)
    assert not any(is_loopback(uri) for uri in ("team/x:1", "localhost.example.com/x:1", "x:1"))


def found_repository(aws: AwsConfig, pipeline: str) -> Repository:
    """Find the repository as the commands do."""
    return find_repository(aws, pipeline, partial(client, Config(aws=aws), "ecr"))


@pytest.fixture
def no_logins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Use an empty Docker configuration."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path


def test_a_repository_in_ecr_is_found_with_a_login(
    local_aws: LocalAws, no_logins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default the repository is in ECR; if it is missing, the error says to apply its stack."""
    for name, value in local_aws.environment.items():
        monkeypatch.setenv(name, value)
    aws = AwsConfig(region=local_aws.region)
    with pytest.raises(ImageError, match="ECR has no repository 'sales' for the images of") as no:
        found_repository(aws, "sales")
    assert "apply the stack sales-images first" in str(no.value.remedy)
    local_aws.client("ecr").create_repository(repositoryName="sales")
    found = found_repository(aws, "sales")
    assert found.name == f"123456789012.dkr.ecr.{local_aws.region}.amazonaws.com/sales"
    assert found.login is not None
    assert found.login.user == "AWS"
    named = AwsConfig(image_repository=f"{found.name.partition('/')[0]}/team")
    assert found_repository(named, "sales").name.endswith(".amazonaws.com/team/sales")
    assert found_repository(named, "sales").login == found.login
    other = AwsConfig(
        image_repository="localhost:5000", endpoint=local_aws.endpoint_url, region="us-east-1"
    )
    assert found_repository(other, "sales").login == found.login
    local_aws.client("ecr").delete_repository(repositoryName="sales")


def test_other_registries_use_the_login_of_docker(no_logins: Path) -> None:
    """The login stored by docker login is used; local and unknown registries have none."""
    auth = base64.b64encode(b"ada:secret").decode()
    arguments = {"auths": {"localhost:5000": {"auth": auth}}}
    (no_logins / "config.json").write_text(json.dumps(arguments))
    found = found_repository(AwsConfig(image_repository="localhost:5000/x"), "daily")
    assert found == Repository("localhost:5000/x/daily", Login("ada", "secret"))
    assert found_repository(AwsConfig(image_repository="localhost:5001"), "daily").login is None
    assert found_repository(AwsConfig(image_repository="local"), "daily").local
    with pytest.raises(ConfigError):
        found_repository(AwsConfig(image_repository="https://x"), "daily")


def test_a_login_does_not_show_its_password() -> None:
    """The password is not in the login's repr."""
    assert "secret" not in repr(Repository("x", Login("ada", "secret")))


def test_missing_credentials_are_not_a_missing_repository(
    no_logins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing credentials, region or profile are errors, each with its remedy."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(no_logins / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(no_logins / "none"))
    with pytest.raises(ImageError, match="ECR denies access") as caught:
        found_repository(AwsConfig(region="eu-west-1"), "daily")
    assert "aws sts get-caller-identity" in str(caught.value.remedy)
    with pytest.raises(ConfigError, match="no AWS region is set"):
        found_repository(AwsConfig(), "daily")
    with pytest.raises(CredentialsError, match="nobody"):
        found_repository(AwsConfig(profile="nobody"), "daily")


@pytest.mark.parametrize("host", ["tcp://127.0.0.1:1", "unix:///nowhere/docker.sock", "nonsense"])
def test_no_engine_is_a_missing_tool(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error contains the address of the engine, and how to set another one."""
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(MissingToolError) as caught:
        connect()
    assert f"no container engine answers at {host}" in caught.value.message
    assert "DOCKER_HOST" in str(caught.value.remedy)


def test_without_the_sdk_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker's SDK is only needed for images, and the error without it says what to install."""
    monkeypatch.setitem(sys.modules, "docker", None)
    with pytest.raises(MissingToolError) as caught:
        connect()
    assert "pip install 'lokki-tf[docker]'" in str(caught.value.remedy)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@contextmanager
def showing(stream: io.StringIO) -> Iterator[None]:
    with shown(stream) as on_progress:
        on_progress(Progress("Step 1/2 : FROM [x]"))
        on_progress(Progress("a great many words of pip"))
        on_progress(Progress("Pushing", "5f70", 5_000_000, 10_000_000))
        on_progress(Progress("Pushed", "5f70"))
        yield


def test_progress_is_lines_in_a_log_and_bars_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A log contains only the build's steps; a terminal shows a bar per layer and removes it."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    log = io.StringIO()
    with showing(log):
        pass
    assert log.getvalue() == "Step 1/2 : FROM [x]\n"
    terminal = Terminal()
    with showing(terminal):
        pass
    assert "5f70 Pushed" in terminal.getvalue()
    assert "10.0" in terminal.getvalue()


SCRIPT = """
from lokki_tf import Pipeline, main, step

@step
def score(rows):
    return sum(rows)

main(Pipeline("daily", steps=[score([1])]))
"""


@pytest.mark.parametrize(
    ("toml", "args", "code", "says"),
    [
        ("", (), 1, "no step of 'daily' runs in a container image"),
        ('[lambda]\npackage = "image"\n', ("--tag", "?"), 1, "'?' is no tag of an image"),
        ('[lambda]\npackage = "image"\n', ("--no-push",), 2, "no container engine answers"),
        (
            '[lambda]\npackage = "image"\n[image]\ndockerfile = "nowhere"\n',
            ("--no-push",),
            1,
            "the Dockerfile nowhere cannot be read",
        ),
        (
            '[lambda]\npackage = "image"\n[aws]\nimage_repository = "https://x"\n',
            (),
            1,
            "is no repository",
        ),
    ],
)
def test_the_command_says_what_is_wrong(
    tmp_path: Path, toml: str, args: tuple[str, ...], code: int, says: str
) -> None:
    """Wrong settings and a missing engine are one message, with nothing on stdout."""
    (tmp_path / "pipeline.py").write_text(SCRIPT)
    (tmp_path / "lokki.toml").write_text(toml)
    done = forked.run(
        ["pipeline.py", "images", *args],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "DOCKER_HOST": "tcp://127.0.0.1:1"},
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr
