"""Stacks that Terraform applies together, as modules of one configuration.

``init``, ``apply`` and ``plan`` each need several seconds of processor time, also for few
resources. Tests that only need an applied stack therefore share a few configurations: a function
with the decorator :func:`stack` writes the stack, and the fixture ``applied`` returns its outputs.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployment import empty

from lokki_tf.testing import LocalAws
from lokki_tf.testing.images.registry import folders_in
from lokki_tf.testing.terraform import SLOW

_Build = Callable[[LocalAws, Path], "Path | tuple[Path, dict[str, Any]]"]
BUILDERS: dict[str, _Build] = {}


def stack(build: _Build) -> _Build:
    """Register a function that writes a stack into a folder.

    Args:
        build: Gets the account and an empty folder, and returns the folder of the stack, or this
            and the values of its variables.
    """
    BUILDERS[build.__name__] = build
    return build


@dataclass
class Applied:
    """Registered stacks, applied.

    Args:
        aws: The account.
        root: The folder of the configuration; the stacks are moved there, so that references to
            the place where they were written would fail.
        builders: Functions that write the stacks, by name.
    """

    aws: LocalAws
    root: Path
    builders: Mapping[str, _Build]
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    _plan: tuple[Path, bool] | None = None

    def apply(self, scratch: Path) -> None:
        """Write the stacks, and apply them.

        Args:
            scratch: Where stacks are written.
        """
        main: dict[str, Any] = {"module": {}, "output": {}, "provider": {"aws": [{}]}}
        for name, build in self.builders.items():
            place = scratch / name
            place.mkdir()
            made = build(self.aws, place)
            written, variables = made if isinstance(made, tuple) else (made, {})
            folder = Path(shutil.move(written, self.root / name))
            for image in folders_in(folder):
                self.aws.register_image(image.uri, image.app, image.entry)
            (provider,) = as_module(folder, without=SLOW)
            assert set(provider) <= {"region"}  # all are in the account's region here
            main["module"][name] = {"source": f"./{name}", **variables}
            main["output"][name] = {"value": f"${{module.{name}}}"}
        self._apply(main)

    def plan(self) -> tuple[Path, bool]:
        """Return a plan after the apply, made once, and whether it is empty."""
        if self._plan is None:
            file = self.root.with_name("plan")
            done = self.aws._terraform(self.root)._call(
                "plan", "-detailed-exitcode", f"-out={file}", "-parallelism=30"
            )
            assert done.returncode in (0, 2), done.stderr
            self._plan = file, done.returncode == 0
        return self._plan

    def remove(self, name: str) -> None:
        """Take a stack out of the configuration, and apply that."""
        empty(self.aws, self.outputs[name]["bucket"])
        main = json.loads((self.root / "main.tf.json").read_text())
        del main["module"][name], main["output"][name], self.outputs[name]
        (self.root / "main.tf.json").write_text(json.dumps(main))
        self._change("apply")

    def _apply(self, main: dict[str, Any]) -> None:
        (self.root / "main.tf.json").write_text(json.dumps(main))
        self.outputs = self.aws.deploy(self.root)

    def _change(self, command: str) -> None:
        """Run Terraform without reading all resources again, which takes it most of its time."""
        options = ("-auto-approve", "-refresh=false", "-parallelism=30")
        self.aws._terraform(self.root)._run(command, *options)

    def values(
        self,
        name: str,
        parameters: Mapping[str, Any] | None = None,
        answers: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Execute a stack's state machine and return its terminal outputs."""
        return self.aws.values(self.execute(name, parameters, answers))

    def execute(
        self,
        name: str,
        parameters: Mapping[str, Any] | None = None,
        answers: Mapping[str, Any] | None = None,
    ) -> Any:
        """Execute a stack's state machine."""
        machine = self.outputs[name]["state_machine_arn"]
        return self.aws.execute(machine, parameters, answers=answers)

    def destroy(self) -> None:
        """Destroy the stacks."""
        for outputs in self.outputs.values():
            if "bucket" in outputs:
                empty(self.aws, outputs["bucket"])
        self._change("destroy")


@contextmanager
def applied_stacks(modules: Collection[Path], folder: Path) -> Iterator[Applied]:
    """Apply the stacks that modules of tests register, and destroy them at the end.

    Args:
        modules: The files of the modules.
        folder: An empty folder.
    """
    builders = {
        name: build
        for name, build in BUILDERS.items()
        if Path(build.__code__.co_filename) in modules
    }
    root, scratch = folder / "applied", folder / "stacks"
    root.mkdir()
    scratch.mkdir()
    with LocalAws(retry_delay_scale=0.0, wait_scale=1e-6) as aws:
        together = Applied(aws, root, builders)
        together.apply(scratch)
        assert together.plan()[1], "a plan after apply is not empty"
        yield together
        together.destroy()
        assert aws.client("lambda").list_functions()["Functions"] == []


def as_module(folder: Path, without: Collection[str] = ()) -> list[dict[str, Any]]:
    """Make a stack's folder a module, which may have no provider and no backend of its own.

    Args:
        folder: The folder.
        without: Types of resources to leave out.

    Returns:
        The configurations of its AWS provider.
    """
    file = folder / "cdk.tf.json"
    written = json.loads(file.read_text())
    providers: list[dict[str, Any]] = written.pop("provider")["aws"]
    del written["terraform"]["backend"]
    for kind in without:
        written["resource"].pop(kind, None)
    file.write_text(json.dumps(written))
    return providers
