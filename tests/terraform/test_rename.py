"""A stack's files in the working folder, where Terraform reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf import rename_tf_output
from lokki_tf.terraform.files import FOLDERS, MACHINE

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_all_that_a_stack_refers_to_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders and single files of the stack are beside its Terraform."""
    stack, here = tmp_path / "stack", tmp_path / "here"
    names = {f"{name}/file" if "." not in name else name for name in (MACHINE, *FOLDERS)}
    for name in names | {"cdk.tf.json"}:
        (stack / name).parent.mkdir(parents=True, exist_ok=True)
        (stack / name).write_text("{}")
    here.mkdir()
    monkeypatch.chdir(here)
    rename_tf_output(stack)
    copied = {file.relative_to(here).as_posix() for file in here.rglob("*") if file.is_file()}
    assert copied == names | {"cdk.tf.json"}
