"""The methods of every pipeline for what is deployed: deploy, start, executions, cost, destroy."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, cast

from lokki_tf.authoring.places import calling_place
from lokki_tf.errors import OptionError
from lokki_tf.tracebacks import ends_at_caller

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from typing_extensions import TypeVar  # type checkers have it

    from lokki_tf.config import Config
    from lokki_tf.costs import Estimate
    from lokki_tf.model import Definition
    from lokki_tf.operate.calls import RecordedCall
    from lokki_tf.operate.deployed import Deployed, Deployment
    from lokki_tf.operate.execution import Execution, Executions, Replayer
    from lokki_tf.operate.results import Reader
    from lokki_tf.operate.stack import Stack

    from .deployments import Deployable
    from .triggers import EventRun

    R_co = TypeVar("R_co", covariant=True, default=Any)
else:
    from typing import TypeVar

    R_co = TypeVar("R_co", covariant=True)


@ends_at_caller
class DeployedPipeline(Generic[R_co]):
    """What a pipeline can do once it is deployed.

    It is found by its name in the account and region; the folder that ``synth`` writes is not
    needed. :meth:`Pipeline.named` gives a pipeline under another name.
    """

    if TYPE_CHECKING:

        @property
        def definition(self) -> Definition:
            """The definition, as frozen data."""

        def check_parameters(self, given: Mapping[str, Any]) -> None:
            """Raise an error for unknown parameters."""

        def event_input(
            self,
            event: Any,
            trigger: str | None = None,
            parameters: Mapping[str, Any] | None = None,
            *,
            config: Config | None = None,
            stage: str | None = None,
        ) -> EventRun:
            """Return what a trigger starts for an event."""

    def deploy(
        self,
        *,
        auto_approve: bool = False,
        wait_for_runs: bool = False,
        despite_runs: bool = False,
        import_existing: bool = False,
        image_tag: str | None = None,
        verbose: bool = False,
        region: str | None = None,
        config: Config | None = None,
        stage: str | None = None,
    ) -> Deployment:
        """Write Terraform, show its plan, ask for confirmation, and apply exactly this plan.

        Args:
            auto_approve: Whether no confirmation is required.
            wait_for_runs: Whether to wait until no execution is running that it would change.
            despite_runs: With ``auto_approve``: whether to apply it even if running executions
                would fail.
            import_existing: Whether resources that exist and that Terraform's state does not
                contain are imported.
            image_tag: Tag of the image, instead of that of the settings.
            verbose: Whether Terraform's complete plan and all of its lines are shown.
            region: AWS region; by default that of the settings or the environment.
            config: Settings; by default those of ``lokki.toml`` and the environment.
            stage: Stage of those settings; by default that in ``LOKKI_STAGE``.

        Raises:
            DefinitionError: If the pipeline has errors; nothing is written then.
            UnconfirmedError: If it is not confirmed.
            TerraformError: If Terraform fails, with its text.
            AwsError: If AWS refuses or cannot be reached.
        """
        from lokki_tf.operate.deployed import Deployment

        from .deployments import deploy

        if despite_runs and (wait_for_runs or not auto_approve):
            raise OptionError(
                "despite_runs=True requires auto_approve=True without wait_for_runs=True",
                place=calling_place(),
            )
        stack = self._stack(region, config, stage)
        outputs = deploy(
            cast("Deployable", self),
            stack,
            image_tag=image_tag,
            verbose=verbose,
            wait_for_runs=wait_for_runs,
            despite_runs=despite_runs,
            import_existing=import_existing,
            auto_approve=auto_approve,
        )
        return Deployment.of(stack, outputs)

    def destroy(
        self,
        *,
        force: bool = False,
        auto_approve: bool = False,
        verbose: bool = False,
        region: str | None = None,
        config: Config | None = None,
        stage: str | None = None,
    ) -> None:
        """Delete all resources of the pipeline in AWS, after a confirmation.

        Args:
            force: Whether the data of runs in its bucket is deleted too.
            auto_approve: Whether no confirmation is required.
            verbose: Whether Terraform's complete plan and all of its lines are shown.
            region: As for :meth:`deploy`.
            config: As for :meth:`deploy`.
            stage: As for :meth:`deploy`.

        Raises:
            UnconfirmedError: If it is not confirmed, or would delete data of runs.
            TerraformError: If Terraform fails, with its text.
            AwsError: If AWS refuses or cannot be reached.
        """
        from .deployments import destroy

        stack = self._stack(region, config, stage)
        destroy(
            cast("Deployable", self), stack, force=force, verbose=verbose, auto_approve=auto_approve
        )

    def start(
        self,
        parameters: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        event: Mapping[str, Any] | None = None,
        trigger: str | None = None,
        allow_pickle: bool = False,
        region: str | None = None,
        config: Config | None = None,
        stage: str | None = None,
    ) -> Execution[R_co]:
        """Start an execution in AWS, and return it at once.

        ::

            execution = pipe.start({"day": "2024-01-01"}).wait()
            execution.result

        Args:
            parameters: Values of its parameters, by name.
            name: The execution's name; AWS generates one by default. A name can be used once in 90
                days.
            event: An event of EventBridge, from which a trigger makes parameters and name.
            trigger: Name of that trigger; by default the one that the event matches.
            allow_pickle: Whether results that are pickles are loaded: they can run any code of
                whoever can write to the pipeline's bucket.
            region: AWS region; by default that of the settings or the environment.
            config: Settings; by default those of ``lokki.toml`` and the environment.
            stage: Stage of those settings; by default that in ``LOKKI_STAGE``.

        Raises:
            BindingError: If a parameter is missing, unknown, of the wrong type or too large.
            NotDeployedError: If the pipeline is not deployed.
            AwsError: If AWS refuses or cannot be reached.
        """
        from lokki_tf.operate.execution import start

        from .local_runs import parameters_of_run

        given = parameters_of_run(parameters, "start")
        if event is not None or trigger is not None:
            begun = self.event_input(event, trigger, given, config=config, stage=stage)
            given, name = dict(begun.input), name or begun.name
        self.check_parameters(given)
        deployed = self._deployed(region, config, stage)
        options = self._options_of(deployed, allow_pickle)
        return cast("Execution[R_co]", start(deployed, given, name, **options))

    def execution(
        self,
        name: str | None = None,
        *,
        allow_pickle: bool = False,
        region: str | None = None,
        config: Config | None = None,
        stage: str | None = None,
    ) -> Execution[R_co]:
        """Return an execution in AWS.

        Args:
            name: Its name or ARN; by default the last one.
            allow_pickle: As for :meth:`start`.
            region: As for :meth:`start`.
            config: As for :meth:`start`.
            stage: As for :meth:`start`.

        Raises:
            NotDeployedError: If the pipeline is not deployed.
            UnknownRunError: If there is no such execution.
            AwsError: If AWS refuses or cannot be reached.
        """
        from lokki_tf.operate.execution import execution

        deployed = self._deployed(region, config, stage)
        options = self._options_of(deployed, allow_pickle)
        return cast("Execution[R_co]", execution(deployed, name, **options))

    def executions(
        self,
        most: int = 10,
        *,
        allow_pickle: bool = False,
        region: str | None = None,
        config: Config | None = None,
        stage: str | None = None,
    ) -> Executions[R_co]:
        """Return the last executions in AWS, the latest first.

        Args:
            most: The maximum number.
            allow_pickle: As for :meth:`start`.
            region: As for :meth:`start`.
            config: As for :meth:`start`.
            stage: As for :meth:`start`.

        Returns:
            A list that is shown as a table.

        Raises:
            NotDeployedError: If the pipeline is not deployed.
            AwsError: If AWS refuses or cannot be reached.
        """
        from lokki_tf.operate.execution import executions

        deployed = self._deployed(region, config, stage)
        options = self._options_of(deployed, allow_pickle)
        return cast("Executions[R_co]", executions(deployed, most, **options))

    def cost(
        self,
        *,
        items: float | Mapping[str, float] = MappingProxyType({}),
        seconds: float | Mapping[str, float] = MappingProxyType({}),
        calls: Mapping[str, float] = MappingProxyType({}),
        runs: float | None = None,
        stored_mb: float = 0.0,
        executions: Sequence[Execution[Any]] = (),
        prices: str | Path | None = None,
        region: str | None = None,
        config: Config | None = None,
        stage: str | None = None,
    ) -> Estimate:
        """Return what a run and a month cost, in US dollars: an estimate.

        It follows from the compiled state machine, the steps' options and stated durations
        (``expected_seconds=``), or from what real runs have used. Free tiers, discounts and taxes
        are not included.

        Args:
            items: Number of items of all maps, or of each by its name; by default 100.
            seconds: Seconds of all calls, or of those of each step by its name, for an item of a
                batch; by default ``expected_seconds=``, else 1.
            calls: How often a step is called where it is entered once (polls, retries, loops of a
                routed pipeline), by its name; by default once.
            runs: Runs a month; by default those of the schedules, else 30.
            stored_mb: Megabytes that a run stores in the bucket.
            executions: Real runs, whose calls, billed durations and items are used.
            prices: A file with prices, instead of those of this package.
            region: Instead of the region of the settings.
            config: Settings; by default those of ``lokki.toml`` and the environment.
            stage: Stage of those settings; by default that in ``LOKKI_STAGE``.

        Returns:
            The estimate, which is shown as a table with the changes that would save most.

        Raises:
            DefinitionError: If the pipeline has errors.
            OptionError: If an assumption or the file of prices is wrong.
            AwsError: If what a run has used cannot be read.
        """
        from lokki_tf.config import load_config, stage_in_environment
        from lokki_tf.costs import Assumptions, assumptions_of, estimate, load_prices
        from lokki_tf.terraform.checking import checked_plan

        settings = (config or load_config(stage=stage)).in_region(region)
        known = Assumptions(
            items if isinstance(items, Mapping) else {"": items},
            seconds if isinstance(seconds, Mapping) else {"": seconds},
            calls,
            runs,
            stored_mb,
        )
        found = load_prices(settings.aws.region, prices)
        with stage_in_environment(settings.stage):
            plan = checked_plan(self.definition, settings)
        if executions:
            from lokki_tf.operate.costs import observe

            known = assumptions_of(plan, observe(executions), known)
        return estimate(plan, settings, found, known)

    def _options_of(self, deployed: Deployed, allow_pickle: bool) -> dict[str, Any]:
        return {"allow_pickle": allow_pickle, "replayer": replayer(self, deployed.stack.config)}

    def _deployed(self, region: str | None, config: Config | None, stage: str | None) -> Deployed:
        from lokki_tf.operate.deployed import find

        return find(self._stack(region, config, stage))

    def _stack(self, region: str | None, config: Config | None, stage: str | None) -> Stack:
        from lokki_tf.config import load_config
        from lokki_tf.operate.stack import Stack

        settings = config or load_config(stage=stage)
        return Stack.of(self.definition, settings, region=region, script=None)


def replayer(
    pipeline: DeployedPipeline[Any],
    config: Config,
    on_call: Callable[[str], None] = lambda text: None,
) -> Replayer:
    """Return what makes calls of a pipeline's steps here, for :meth:`Execution.replay`.

    Args:
        pipeline: The pipeline, whose steps are those that are written when the call is made.
        config: Settings, of which environment variables and secrets are used.
        on_call: Receives a description of each call before it is made.
    """

    def make(calls: list[RecordedCall], reader: Reader, debug: bool) -> Any:
        from .replays import replayed

        return replayed(pipeline.definition, calls, reader, config, debug=debug, on_call=on_call)

    return make
