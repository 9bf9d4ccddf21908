"""One deployed pipeline for the tests of Terraform, and one without it for those of runs."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator

import pytest
from operate_folder import SQUARES, Folder, settings_for, terminal

from lokki_tf.testing import LocalAws


@pytest.fixture(scope="session")
def squares(local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    """A stage of a pipeline under another name: its deployment was interrupted, and repeated.

    Terraform starts the provider itself only until it is interrupted.
    """
    settings = f"{settings_for(local_aws)}[stage.prod.lambda]\nmemory_size = 1024\n"
    options = ("--stage", "prod", "--stack-name", "other")
    folder = Folder(tmp_path_factory.mktemp("squares"), SQUARES, settings, options)
    folder.stack("other-prod")
    role = local_aws.admin_role

    def exists() -> None:
        """Return when a function is there, and the provider waits for it to become active.

        Earlier, a request that the provider gives up may be carried out without Terraform's
        knowledge. The state machine comes after the functions; here another user makes it.
        """
        wait_for_function(local_aws, "other-prod-load")
        local_aws.client("stepfunctions").create_state_machine(
            name="other-prod",
            roleArn=role,
            definition='{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}',
        )

    with terminal("y") as stdin:
        when = "other-prod: applying"
        folder.interrupted = folder.interrupt(when, "deploy", stdin=stdin, ready=exists)
    folder.keep_provider("other-prod")
    folder.deployment = folder.run("deploy", "--confirm", "--import-existing")
    yield folder
    folder.close()


def wait_for_function(aws: LocalAws, name: str) -> None:
    """Return when a function exists."""
    functions = aws.client("lambda")
    for _ in range(600):
        if any(one["FunctionName"] == name for one in functions.list_functions()["Functions"]):
            return
        time.sleep(0.05)
    raise TimeoutError(f"{name} was not created")


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    """The same pipeline in an account of its own, registered there without Terraform."""
    with LocalAws(retry_delay_scale=0.0) as aws:
        folder = Folder(tmp_path_factory.mktemp("standing"), SQUARES, settings_for(aws))
        spec = importlib.util.spec_from_file_location("standing_pipeline", folder.script)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        aws.register(module.squares)
        yield folder
