"""The pipeline: the one object that wires authoring, local runs, ASL and Terraform."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lokki_tf.authoring import build_graph
from lokki_tf.authoring.places import calling_place
from lokki_tf.checks import check_definition
from lokki_tf.errors import DefinitionError
from lokki_tf.model import Definition, Finding, Graph, raise_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor

    from lokki_tf.local import Event, Run
    from lokki_tf.terraform.synth import Synthesized

DEFAULT_OUTPUT = "terraform-out"


class Pipeline:
    """Steps that depend on each other, as one thing that runs here and in AWS.

    Args:
        name: Names the state machine and prefixes its functions.
        steps: Calls of steps; what they depend on belongs to the pipeline as well.
        schedule: ``rate(…)``, ``cron(…)`` or ``at(…)``, or ``None``.
        description: What the pipeline is for.
        tags: Tags on every resource.

    Raises:
        DefinitionError: If something about the pipeline is wrong; see
            :mod:`lokki_tf.errors` for its kinds.
    """

    def __init__(
        self,
        name: str = "pipeline",
        steps: Sequence[Any] | None = None,
        schedule: str | None = None,
        *,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        graph = build_graph(steps if steps is not None else ())
        self.definition = Definition(
            name, graph, schedule, description, dict(tags or {}), calling_place()
        )
        raise_errors(self.early_findings())

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self.definition.name

    @property
    def schedule(self) -> str | None:
        """When it starts by itself."""
        return self.definition.schedule

    @property
    def graph(self) -> Graph:
        """Its nodes, as data."""
        return self.definition.graph

    def early_findings(self) -> list[Finding]:
        """What the pipeline alone shows, without its code being cut."""
        return check_definition(self.definition)

    def local_run(
        self,
        *,
        executor: str | Executor | None = None,
        max_workers: int | None = None,
        strict: bool = False,
        on_event: Callable[[Event], None] | None = None,
    ) -> Run:
        """Runs the pipeline here, as parallel as its graph allows.

        Args:
            executor: ``"thread"`` (the default), ``"process"``, or any executor of
                :mod:`concurrent.futures`.
            max_workers: How many steps may run at once.
            strict: Send every value through the same serialization as in AWS.
            on_event: Told when a step starts, ends, fails or is tried again.

        Returns:
            Generations of ``(name, value)``, with ``.outputs`` by name and ``.result``.

        Raises:
            StepFailed: If a step raises; its error is the cause.
            SerializationError: With ``strict``, if a value cannot travel.
        """
        from lokki_tf.local import run

        return run(
            self.definition,
            executor=executor,
            max_workers=max_workers,
            strict=strict,
            on_event=on_event,
        )

    def generate_step_functions(self) -> dict[str, Any]:
        """The state machine in Amazon States Language.

        Functions stand as ``${<step>_arn}`` and the bucket as ``${store}``, which the
        generated Terraform fills in.

        Raises:
            LimitError: If results cannot fit where they meet.
            SerializationError: If a literal cannot travel.
        """
        from lokki_tf.asl import compile_machine, filled
        from lokki_tf.packaging import main_module

        machine = compile_machine(self.definition, main_module())
        return filled(machine.definition, {"partition": "aws"})

    def check(self, template_file: str | Path | None = None) -> list[Finding]:
        """All that is wrong or doubtful about the pipeline, before anything is written.

        Args:
            template_file: A Lambda template instead of the default one.

        Returns:
            Findings, errors as well as warnings; empty if all is well.
        """
        from lokki_tf.checks import check_machine
        from lokki_tf.errors import LokkiError
        from lokki_tf.terraform.plan import make_plan

        findings = self.early_findings()
        try:
            plan = make_plan(self.definition, template_file)
            findings += plan.findings
            findings += check_machine(plan.machine.definition)
            _ = plan.machine.text
        except LokkiError as error:
            kind = type(error) if isinstance(error, DefinitionError) else DefinitionError
            findings.append(Finding("plan", error.message, error.place, error.remedy, error=kind))
        return findings

    def synth(
        self,
        outdir: str | Path = DEFAULT_OUTPUT,
        *,
        region: str | None = None,
        template_file: str | Path | None = None,
    ) -> Synthesized:
        """Writes Terraform into ``<outdir>/stacks/<name>``.

        Args:
            outdir: The output folder.
            region: AWS region; the environment's unless given.
            template_file: A Lambda template instead of the default one.

        Raises:
            DefinitionError: If the pipeline has errors; nothing is written then.
            MissingToolError: If CDKTF or Node is missing.
            OutputError: If the folder cannot be written.
        """
        from lokki_tf.terraform.synth import synth

        return synth(self, Path(outdir), region=region, template_file=template_file)

    def to_dot(self) -> str:
        """The graph in Graphviz's language."""
        from lokki_tf.drawing import to_dot

        return to_dot(self.definition)

    def to_mermaid(self) -> str:
        """The graph in Mermaid's language."""
        from lokki_tf.drawing import to_mermaid

        return to_mermaid(self.definition)

    def __repr__(self) -> str:
        nodes = len(self.graph.nodes)
        return f"<Pipeline {self.name!r}: {nodes} node{'s' * (nodes != 1)}>"
