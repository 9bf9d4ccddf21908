"""Deploy, execute and destroy from Python."""

from __future__ import annotations

from pathlib import Path

import pytest
from operate_folder import Folder, settings_for

from lokki_tf.testing import LocalAws

pytestmark = pytest.mark.terraform
SCRIPT = """
import shutil
from pathlib import Path
from lokki_tf import flow, step
from lokki_tf.errors import NotDeployedError, UnconfirmedError

@step
def load(limit: int) -> list[int]:
    return list(range(limit))

@flow
def small(limit: int = 3):
    return load(limit)

def everything():
    try:
        small.executions()
    except NotDeployedError as error:
        print("before:", error)
    try:
        small.deploy()
    except UnconfirmedError as error:
        print("unconfirmed:", error)
    deployment = small.deploy(auto_approve=True)
    print(deployment)
    assert deployment.outputs["state_machine_arn"] == deployment.state_machine_arn
    shutil.move("terraform-out", "elsewhere")  # of which nothing is needed
    execution = small.start({"limit": 4}).wait()
    print("result:", execution.result)
    print("kept:", [one.name == execution.name for one in small.executions()])
    shutil.move("elsewhere", "terraform-out")
    small.destroy(force=True, auto_approve=True)
    try:
        small.start()
    except NotDeployedError as error:
        print("after:", error.message)

if __name__ == "__main__":
    everything()
"""


def test_a_pipeline_is_deployed_executed_and_destroyed(local_aws: LocalAws, tmp_path: Path) -> None:
    """The same plan and summary are shown as by the commands, with calls as what comes next."""
    folder = Folder(tmp_path, SCRIPT, settings_for(local_aws))
    folder.keep_provider("small")
    done = folder.run()
    folder.close()
    assert done.returncode == 0, done.stderr
    assert "before: small is not deployed" in done.stdout
    assert "\n  pipe.deploy(); if it is deployed elsewhere: region=, named(…)" in done.stdout
    assert "unconfirmed: deploy asks for confirmation, and there is no terminal" in done.stdout
    assert "pipe.deploy(auto_approve=True) runs without confirmation" in done.stdout
    assert "+ state machine small" in done.stderr
    assert "small is deployed: state machine small, 1 function\n" in done.stdout
    assert "Next: pipe.start().wait()\n" in done.stdout
    assert "load done in" in done.stderr
    assert "result: [0, 1, 2, 3]\nkept: [True]\n" in done.stdout
    assert "small was deleted from account" in done.stderr
    assert "after: small is not deployed in us-east-1" in done.stdout
