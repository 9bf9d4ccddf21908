"""Images in a real engine and a real registry: built, pushed, pulled again, run."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import forked
import pytest
from runtime_api import runtime_api

from lokki_tf.errors import ImageError
from lokki_tf.images import Login, Repository, build, has_image, publish, push
from lokki_tf.images.progress import Progress
from lokki_tf.model import Step, StepOptions
from lokki_tf.packaging import ImageContext, Package, cut, image_context, package
from lokki_tf.testing import LocalAws

from .conftest import PASSWORD, USER, pull

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("leaves_nothing")


def score(rows: list[int], factor: int = 2) -> Any:
    """A step that multiplies, and raises for the factor 0."""
    if not factor:
        raise ValueError("nothing to multiply by")
    return {"sum": sum(rows) * factor}


def a_step(**options: Any) -> Step:
    from lokki_tf.errors import Place

    return Step(
        "score", score, StepOptions(**options), Place(__file__, score.__code__.co_firstlineno)
    )


def context(base: str, **more: Any) -> ImageContext:
    """Return the context of an image with one step, its code as deployed."""
    step = a_step(job_type="batch")
    return image_context("daily", {step: package(cut(step))}, base_image=base, **more)


def event(bucket: str, **more: Any) -> dict[str, Any]:
    values = {"node": "score", "run": "r", "store": f"s3://{bucket}", "inline": 1000}
    return {**values, "args": {"0": {"value": [1, 2]}}, "kwargs": more}


def run(engine: Any, uri: str, command: str, variables: dict[str, str]) -> tuple[int, str]:
    container = engine.containers.create(
        uri, [command], environment=variables, network_mode="host", read_only=True
    )
    try:
        container.start()
        code = container.wait(timeout=60)["StatusCode"]
        return code, container.logs().decode()
    finally:
        container.remove(force=True)


def test_an_image_is_built_pushed_pulled_and_runs(
    engine: Any, base_image: str, registry: str, local_aws: LocalAws
) -> None:
    """The same image runs as a Lambda function and a Batch job; it is pushed only once."""
    made = context(base_image)
    repository = Repository(f"{registry}/lokki-tf-test-team/daily")
    heard: list[Progress] = []
    first = publish(made, repository, on_progress=heard.append, client=engine)
    assert (first.built, first.pushed) == (True, True)
    assert first.uri == f"{registry}/lokki-tf-test-team/daily:{made.tag}"
    assert any("ENTRYPOINT" in one.text for one in heard)
    assert has_image(first.uri) is True
    again = publish(made, repository, client=engine)
    assert (again.uri, again.built, again.pushed) == (first.uri, False, False)

    engine.images.remove(first.uri, force=True)
    pull(engine, first.uri)
    config = engine.images.get(first.uri).attrs["Config"]
    assert config["User"] == "65534:65534"

    s3 = local_aws.client("s3")
    s3.create_bucket(Bucket="images")
    for factor, code in ((3, 0), (0, 1)):
        values = {**event("images", factor={"value": factor}), "run": f"by-{factor}"}
        key = f"runs/score/by-{factor}/score.event.json"
        s3.put_object(Bucket="images", Key=key, Body=json.dumps(values).encode())
        uri = f"s3://images/{key}"
        variables = {**local_aws.environment, "LOKKI_EVENT": uri}
        ended, logs = run(engine, first.uri, "score", variables)
        assert ended == code, logs
    answer = s3.get_object(Bucket="images", Key="runs/score/by-3/score.answer.json")["Body"].read()
    assert json.loads(answer) == {"value": {"sum": 9}}
    data = s3.get_object(Bucket="images", Key="runs/score/by-0/score.error.json")["Body"].read()
    error = json.loads(data)
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "nothing to multiply by")
    assert "/app/score/" in error["stackTrace"][-1]

    with runtime_api() as api:
        container = engine.containers.run(
            first.uri,
            ["score"],
            environment={"AWS_LAMBDA_RUNTIME_API": api.address},
            network_mode="host",
            read_only=True,
            user="993:990",  # as Lambda does, a user without a name
            detach=True,
        )
        try:
            api.events.put((1, event("images")))
            path, body, _ = api.answers.get(timeout=30)
        finally:
            container.remove(force=True)
        assert path.endswith("/request-1/response")
        assert body == {"value": {"sum": 6}}


def test_denied_access_is_an_error(engine: Any, base_image: str, closed_registry: str) -> None:
    """Nothing is pushed without a login or with a wrong one, but with the right one."""
    uri = f"{closed_registry}/lokki-tf-test-daily:1"
    engine.images.get(base_image).tag(*uri.rsplit(":", 1))
    for login in (None, Login(USER, "wrong")):
        with pytest.raises(ImageError, match="the registry denies access") as caught:
            push(uri, login=login, client=engine)
        assert "docker login" in str(caught.value.remedy)
        assert has_image(uri, login) is None
    login = Login(USER, PASSWORD)
    assert has_image(uri, login) is False
    push(uri, login=login, client=engine)
    assert has_image(uri, login) is True


def test_an_unreachable_registry_is_an_error(engine: Any, base_image: str) -> None:
    """A closed port is reported as a registry that cannot be reached."""
    uri = "localhost:1/lokki-tf-test-daily:1"
    engine.images.get(base_image).tag(*uri.rsplit(":", 1))
    assert has_image(uri) is None
    with pytest.raises(ImageError, match="the registry cannot be reached"):
        push(uri, client=engine)


def test_a_failing_dockerfile_shows_the_end_of_its_log(
    engine: Any, base_image: str, tmp_path: Path
) -> None:
    """The error contains the last lines of the build, and no image of that name remains."""
    file = tmp_path / "Dockerfile"
    code = "print(6 * 7); raise SystemExit(3)"
    file.write_text(f'ARG BASE_IMAGE\nFROM ${{BASE_IMAGE}}\nRUN ["python3", "-c", "{code}"]\n')
    with pytest.raises(ImageError) as caught:
        build(context(base_image, dockerfile=file), "lokki-tf-test-failing:1", client=engine)
    text = str(caught.value)
    assert "the image lokki-tf-test-failing:1 could not be built" in text
    assert "\n  | 42" in text
    assert not [
        one for one in engine.images.list() if any("test-failing" in tag for tag in one.tags)
    ]


def test_an_invalid_dockerfile_is_an_error(engine: Any, base_image: str, tmp_path: Path) -> None:
    """The engine's message about an unknown instruction is the error."""
    file = tmp_path / "Dockerfile"
    file.write_text("FORM python\n")
    with pytest.raises(ImageError, match=r"FROM|FORM"):
        build(context(base_image, dockerfile=file), "lokki-tf-test-failing:2", client=engine)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Serve a package index on loopback with one package; yield its URL and the package's hash."""
    folder = tmp_path / "index" / "tiny"
    folder.mkdir(parents=True)
    wheel = folder / "tiny-1.0-py3-none-any.whl"
    about = "tiny-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "WEIGHT = 5\n")
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        kind = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(f"{about}/WHEEL", kind)
        archive.writestr(f"{about}/RECORD", "")
    (folder / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder.parent))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield (
        f"http://127.0.0.1:{server.server_port}",
        hashlib.sha256(wheel.read_bytes()).hexdigest(),
    )
    server.shutdown()


def test_declared_packages_are_installed_by_their_lock(
    engine: Any, base_image: str, index: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip installs the locked versions from uv's index, whose URL is not stored in the image."""
    if "podman" not in json.dumps(engine.version()).lower():
        pytest.skip("a build of this engine does not see this computer's loopback")
    address, digest = index
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"mine={address}")
    step = a_step()
    code = b"import tiny\ndef lambda_handler(event, context): return tiny.WEIGHT\n"
    plain = image_context(
        "d", {step: Package({"lambda_function.py": code}, step)}, base_image=base_image
    )
    from lokki_tf.packaging.image.context import _default_dockerfile

    lock = f"tiny==1.0 --hash=sha256:{digest}\n".encode()
    file = _default_dockerfile(base_image, True)
    files = {**plain.files, "app/requirements.lock": lock, "Dockerfile": file}
    build(ImageContext("d", files, base_image, "x86_64"), "lokki-tf-test-packed:1", client=engine)
    with runtime_api() as api:
        container = engine.containers.run(
            "lokki-tf-test-packed:1",
            ["score"],
            environment={"AWS_LAMBDA_RUNTIME_API": api.address},
            network_mode="host",
            detach=True,
        )
        try:
            api.events.put((1, {}))
            assert api.answers.get(timeout=30)[1] == 5
        finally:
            container.remove(force=True)
    for image in engine.images.list():
        names_index = address in json.dumps(image.history())
        assert not (image.tags and names_index)  # the index must not be visible in the image
        if names_index:
            engine.images.remove(image.id, force=True)


SCRIPT = """
from lokki_tf import Pipeline, main, step

@step
def score(rows):
    return sum(rows)

main(Pipeline("daily", steps=[score([1])]))
"""


def test_the_command_prints_the_uri_alone(
    engine: Any, base_image: str, registry: str, tmp_path: Path
) -> None:
    """stdout contains only the image's name; a second call finds the image in the registry."""
    (tmp_path / "pipeline.py").write_text(SCRIPT)
    (tmp_path / "lokki.toml").write_text(
        f'[aws]\nimage_repository = "{registry}/lokki-tf-test-cli"\n'
        f'[lambda]\npackage = "image"\n[image]\nbase = "{base_image}"\n'
    )

    def command(*args: str) -> subprocess.CompletedProcess[str]:
        return forked.run(
            ["pipeline.py", "images", *args],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        )

    pushed = command()
    assert pushed.returncode == 0, pushed.stderr
    assert pushed.stdout.startswith(f"{registry}/lokki-tf-test-cli/daily:")
    assert pushed.stderr.splitlines()[-1] == "built and pushed"
    assert has_image(pushed.stdout.strip()) is True
    again = command()
    assert (again.returncode, again.stdout) == (0, pushed.stdout)
    assert again.stderr == "the registry already has this image\n"
