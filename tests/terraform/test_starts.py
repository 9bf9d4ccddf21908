"""Rights of pipelines that start others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf import Parameter, Pipeline, start_pipeline, step

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from lokki_tf.testing import LocalAws


@step
def double(number: int) -> int:
    return 2 * number


@step
def text(number: int) -> str:
    return str(number)


def test_executions_that_a_key_encrypts_are_read(
    local_aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the user's key, the parent may decrypt the output of the pipeline that it starts."""
    key = local_aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    (tmp_path / "lokki.toml").write_text(f'[aws]\nkms_key = "{key}"\n')
    monkeypatch.chdir(tmp_path)
    child = Pipeline("encrypted-child", steps=[double(Parameter("number", int))])
    parent = Pipeline(
        "encrypted-parent", steps=[text(start_pipeline("encrypted-child", {"number": 3}))]
    )
    assert parent.started_pipelines == [child]
    execution = local_aws.run(parent)
    assert local_aws.values(execution) == {"text": "6"}
