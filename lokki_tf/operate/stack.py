"""A pipeline's stack and its local folder."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lokki_tf.errors import NotDeployedError

if TYPE_CHECKING:
    from lokki_tf.config import Config
    from lokki_tf.model import Definition


@dataclass(frozen=True, slots=True)
class Stack:
    """A pipeline, its settings, and the folder that ``synth`` writes.

    Args:
        definition: The pipeline, under the stack's name.
        config: Settings, as in ``lokki.toml``.
        folder: The folder with its Terraform.
        script: The command that the user types, for remedies: ``python pipeline.py``. Without it,
            remedies are calls of the pipeline's methods.
        options: Those that name the stack: ``--stage prod``.
    """

    definition: Definition
    config: Config
    folder: Path
    script: str | None
    options: str = ""

    @classmethod
    def of(
        cls,
        definition: Definition,
        config: Config,
        *,
        region: str | None = None,
        script: str | None = "python pipeline.py",
        options: str = "",
    ) -> Stack:
        """Return the stack of a pipeline.

        Args:
            definition: The pipeline, under the stack's name.
            config: Settings, as in ``lokki.toml``.
            region: Instead of the settings' region.
            script: The command that the user types; ``None`` for calls of methods.
            options: Those that name the stack.
        """
        named = replace(definition, name=config.name_of(definition.name))
        config = config.in_region(region or None)
        folder = Path(config.build_dir).absolute() / "stacks" / named.name
        return cls(named, config, folder, script, options)

    @property
    def name(self) -> str:
        """The name of the stack and of its state machine."""
        return self.definition.name

    def command(self, words: str) -> str:
        """Return the command line for this stack, or the call that does the same.

        Args:
            words: A command with its arguments.
        """
        if self.script is None:
            return _call(words)
        name, _, rest = words.partition(" ")
        return " ".join(filter(None, (self.script, name, self.options, rest)))

    @property
    def is_written(self) -> bool:
        """Whether its Terraform is in the folder."""
        return (self.folder / "cdk.tf.json").exists()


def _call(words: str) -> str:
    """Return the call of a pipeline's method that does what a command does."""
    name, *options = shlex.split(words)
    if name in ("images", "synth", "terraform"):
        listed = ", ".join(f'"{one}"' for one in (name, *options))
        return f"main(pipe, [{listed}])"
    if "--run" in options:
        found = f"pipe.execution({options[options.index('--run') + 1]!r})"
        return f"{found}.table()" if name == "show" else f"{found}.{name}()"
    if name == "show":
        return "pipe.executions()"
    flags = (one.removeprefix("--").replace("-", "_") for one in options if one != "--wait")
    call = f"pipe.{name}({', '.join(f'{flag}=True' for flag in flags)})"
    return f"{call}.wait()" if "--wait" in options else call


def not_deployed(stack: Stack, where: str) -> NotDeployedError:
    """Return the exception for a pipeline that is not deployed."""
    other = "--region, --stack-name" if stack.script else "region=, named(…)"
    return NotDeployedError(
        f"{stack.name} is not deployed {where}",
        remedy=f"{stack.command('deploy')}; if it is deployed elsewhere: {other} or AWS_PROFILE",
    )
