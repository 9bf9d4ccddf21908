"""The public class ``LocalAws``: run or deploy pipelines, execute them, read logs and decisions."""

from __future__ import annotations

import json
import warnings
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any
from uuid import uuid4

from lokki_tf.errors import BindingError
from lokki_tf.testing.answering import answering
from lokki_tf.testing.errors import ExecutionNotFinished, LocalAwsError
from lokki_tf.testing.execution import Execution, TaskError
from lokki_tf.testing.iam.decisions import Decision, Right
from lokki_tf.testing.images.registry import ImageFolder, folders_in
from lokki_tf.testing.provider import KeptProvider
from lokki_tf.testing.register import Registrar, Runnable
from lokki_tf.testing.server_process import ServerProcess
from lokki_tf.testing.settings import (
    ACCOUNT_ID,
    ServerSettings,
    client_environment,
    new_client,
)
from lokki_tf.testing.state_machines.resources import is_known
from lokki_tf.testing.state_server import StateServer
from lokki_tf.testing.terraform import SLOW, Terraform
from lokki_tf.tracebacks import ends_at_caller


@ends_at_caller
class LocalAws:
    """An AWS account on this computer, served on loopback without Docker.

    Use it as a context manager. The server ends with the context.

    Args:
        region: The region that clients and Terraform use.
        retry_delay_scale: The factor for delays before retries; 0 for no delays.
        wait_scale: The factor for the delays of ``Wait`` states.
        workers: The largest number of Lambda processes at a time, and that of Batch jobs.
        containers: Whether images run in containers if a Docker API is available. Otherwise they
            run as processes from the folders that they were built from.
        enforce_iam: Whether functions, jobs, state machines and schedules can do only what the
            policies of their roles allow. Tests and Terraform use the account's own keys, which
            have all permissions.
        skip: Types of Terraform resources that ``deploy`` does not create; by default the lifecycle
            rules of buckets, for which the AWS provider always waits 55 seconds.
        port: The port on 127.0.0.1; by default any that is free.
        persist: A folder that keeps the state between starts: all resources, executions with their
            histories, functions with their code, objects, logs. It is saved within about two
            seconds after a change, and at the end. Executions that run at the end are aborted, and
            can be redriven. Responses of ``mock`` are not kept. The folder is read with pickle:
            only use folders that you trust.

    Raises:
        LocalAwsError: If the server does not start: the port is used, or the folder cannot be read
            or is used by another local AWS.
    """

    def __init__(
        self,
        region: str = "us-east-1",
        *,
        retry_delay_scale: float = 1.0,
        wait_scale: float = 1.0,
        workers: int = 64,
        containers: bool = True,
        enforce_iam: bool = True,
        skip: Collection[str] = SLOW,
        port: int = 0,
        persist: str | Path | None = None,
    ) -> None:
        self.region = region
        self._settings = ServerSettings(
            region,
            retry_delay_scale,
            wait_scale,
            workers,
            containers,
            enforce_iam,
            port=port,
            persist="" if persist is None else str(Path(persist).absolute()),
        )
        self._skip = skip
        self._server: ServerProcess | None = None
        self._clients: dict[str, Any] = {}
        self._scratch: TemporaryDirectory[str] | None = None
        self._provider = KeptProvider()
        self._states = StateServer()
        self._registrar = Registrar(self.client, self.register_image, self._scratch_folder)

    def __enter__(self) -> LocalAws:
        self._server = ServerProcess(self._settings)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the server and everything that runs in it."""
        self._provider.close()
        self._states.close()
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None
        self._clients.clear()
        self._registrar.forget()

    @property
    def endpoint_url(self) -> str:
        """The URL of the server, such as ``http://127.0.0.1:41234``."""
        return self._running.endpoint_url

    @property
    def admin_role(self) -> str:
        """The ARN of a role with all permissions, for resources that a test creates itself."""
        return self._registrar.admin_role()

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that make boto3, the AWS CLI and Terraform use this account."""
        return client_environment(self.endpoint_url, self.region)

    def client(self, service: str) -> Any:
        """Return a boto3 client for this account."""
        if service not in self._clients:
            self._clients[service] = new_client(service, self.endpoint_url, self.region)
        return self._clients[service]

    def run(
        self,
        pipeline: Runnable,
        parameters: Mapping[str, Any] | None = None,
        *,
        variables: Mapping[str, str] | None = None,
        stage: str | None = None,
        name: str | None = None,
        timeout: float = 300.0,
        answers: Mapping[str, Any] | None = None,
        event: Mapping[str, Any] | None = None,
        trigger: str | None = None,
    ) -> Execution:
        """Register a pipeline without Terraform, execute it and wait for its end.

        The state machine, zips, layers, images, jobs and roles are those that ``synth`` writes.
        Resources that have not changed since the last run are not registered again. Schedules,
        networks and most settings of the bucket are created by ``deploy`` only. If the pipeline
        uses an existing role that is not in the account, a role with the required permissions is
        created.

        Args:
            pipeline: The pipeline.
            parameters: The values of its parameters, by name.
            variables: The values of the Terraform variables that layers and references name.
            stage: The stage of ``lokki.toml``; by default that in ``LOKKI_STAGE``.
            name: The execution's name.
            timeout: The longest time to wait, in seconds.
            answers: The answers of steps with ``callback=True``, as for ``local_run``.
            event: An event of EventBridge, from which a trigger makes the parameters and the
                execution's name; rules and schedules themselves are created by ``deploy`` only.
            trigger: The name of that trigger, as for ``local_run``.

        Raises:
            BindingError: If a parameter is missing, unknown or of the wrong type, or an answer is
                for another step.
            DefinitionError: If the pipeline has errors.
            ExecutionNotFinished: If the execution still runs after ``timeout``.
            LocalAwsError: If ``deploy`` has created a state machine with the same name.
        """
        if event is not None or trigger is not None:
            begun = pipeline.event_input(event, trigger, parameters, stage=stage)
            name, parameters = name or begun.name, begun.input
        pipeline.check_parameters(dict(parameters or {}))
        arn = self.register(pipeline, variables, stage=stage)
        known, pipelines = answers or {}, [pipeline]
        for one in pipelines if known else ():
            others = getattr(one, "started_pipelines", ())
            pipelines += [each for each in others if each not in pipelines]
        nodes = [node for one in pipelines for node in one.definition.asking]
        names = {name for node in nodes for name in (node.step.name, node.name)}
        for asked in known:
            if asked not in names:
                raise BindingError(
                    f"answers= has {asked!r}, which is not a step with callback=True",
                    place=pipeline.definition.place,
                    remedy=f"such steps are {', '.join(sorted(names)) or 'in no pipeline here'}",
                )
        by_node = {
            node.name: known[name]
            for node in nodes
            for name in (node.step.name, node.name)
            if name in known
        }
        return self.execute(arn, parameters, name=name, timeout=timeout, answers=by_node)

    def register(
        self,
        pipeline: Runnable,
        variables: Mapping[str, str] | None = None,
        *,
        stage: str | None = None,
    ) -> str:
        """Register a pipeline without Terraform, as ``run`` does, but do not execute it.

        Pipelines that it starts, as far as they are in this process, are registered as well.

        Args:
            pipeline: The pipeline.
            variables: The values of the Terraform variables that layers and references name.
            stage: The stage of ``lokki.toml``; by default that in ``LOKKI_STAGE``.

        Returns:
            The ARN of the state machine.

        Raises:
            DefinitionError: If the pipeline has errors.
            LocalAwsError: If ``deploy`` has created a state machine with the same name.
        """
        for one in getattr(pipeline, "started_pipelines", ()):
            self.register(one, variables, stage=stage)
        resources = pipeline.resources(ACCOUNT_ID, self.region, variables=variables, stage=stage)
        return self._registrar.register(resources)

    def deploy(
        self, folder: str | Path, variables: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run ``terraform init`` and ``terraform apply`` in a folder.

        Terraform's state and plugins are stored elsewhere, so that the folder does not change. The
        images in the folder's ``image.json`` are registered.

        Args:
            folder: The folder with the configuration.
            variables: The values of the configuration's variables.

        Returns:
            The values of the outputs, by name.

        Raises:
            LocalAwsError: If the folder's ``image.json`` is not valid.
            TerraformFailed: If Terraform fails, with its output.
            MissingToolError: If Terraform is not installed or too old, or its AWS provider
                cannot be obtained.
        """
        for image in folders_in(Path(folder)):
            self.register_image(image.uri, image.app, image.entry)
        return self._terraform(folder).apply(variables)

    def register_image(self, uri: str, folder: str | Path, entry: str = "entry.py") -> None:
        """Register the folder that a container image was built from.

        Jobs and functions with that image then run as processes if no Docker API has the image:
        ``python folder/entry command…``, with the Python that runs the tests.

        Args:
            uri: ``repository:tag``; the part before the repository is ignored.
            folder: The files in the image's working directory.
            entry: The Python file in the folder that the image starts.

        Raises:
            LocalAwsError: If the folder does not contain ``entry``.
        """
        image = ImageFolder(uri, Path(folder).resolve(), entry)
        request = {"uri": image.uri, "app": str(image.app), "entry": image.entry}
        self._running.ask("image", request)

    def plan_is_empty(self, folder: str | Path, variables: Mapping[str, Any] | None = None) -> bool:
        """Return whether ``terraform plan`` in a deployed folder shows no changes.

        Raises:
            TerraformFailed: If Terraform fails, with its output.
        """
        return self._terraform(folder).plan_is_empty(variables)

    def destroy(self, folder: str | Path, variables: Mapping[str, Any] | None = None) -> None:
        """Run ``terraform destroy`` in a folder.

        Raises:
            TerraformFailed: If Terraform fails, with its output.
        """
        self._terraform(folder).destroy(variables)

    def execute(
        self,
        state_machine: str = "",
        input: Any = None,  # noqa: A002
        *,
        name: str | None = None,
        timeout: float = 300.0,
        machine: str | None = None,
        answers: Mapping[str, Any] | None = None,
    ) -> Execution:
        """Execute a state machine and wait for its end.

        Args:
            state_machine: The state machine's ARN or name.
            input: The input, any JSON value; an empty object if None.
            name: The execution's name.
            timeout: The longest time to wait, in seconds.
            machine: The older name of ``state_machine``.
            answers: The answers of steps with ``callback=True``, by the names of their states, as
                for ``local_run``.

        Raises:
            ExecutionNotFinished: If the execution still runs after ``timeout``.
            LocalAwsError: If the state machine does not exist, or an execution with the same name
                exists.
        """
        if machine is not None:
            message = "machine= of LocalAws.execute is deprecated: write state_machine="
            warnings.warn(message, DeprecationWarning, stacklevel=2)
            state_machine = machine
        name = name or (str(uuid4()) if answers else None)
        request = {
            "state_machine": state_machine,
            "input": json.dumps(
                {} if input is None else input, ensure_ascii=False, separators=(",", ":")
            ),
            "name": name,
            "timeout": timeout,
        }
        with answering(self.client, state_machine, name, answers):
            execution = Execution.of(self._running.ask("execute", request, timeout + 30))
        if execution.status == "RUNNING":
            raise ExecutionNotFinished(
                f"the execution {execution.arn} was still running after {timeout:g} s",
                remedy="pass a longer timeout=, or read its history with get_execution_history()",
            )
        return execution

    def values(self, execution: Execution) -> dict[str, Any]:
        """Return the results of a pipeline's last steps by name, also those stored in S3.

        As in a local run, a skipped step has no entry.

        Args:
            execution: An execution of a pipeline's state machine.

        Raises:
            LocalAwsError: If the execution did not succeed.
        """
        from lokki_tf.operate.results import values
        from lokki_tf.runtime.store import request_of

        if not execution.succeeded:
            raise LocalAwsError(
                f"the execution {execution.name!r} has no results: it is {execution.status}, "
                f"{execution.error}: {execution.cause}",
                remedy="read execution.history and the logs() of the step's function",
            )

        def read(uri: str) -> bytes:
            body: bytes = self.client("s3").get_object(**request_of(uri))["Body"].read()
            return body

        return values(execution.output, read, allow_pickle=True)

    def mock(self, resource: str, *responses: Any, state: str | None = None) -> None:
        """Set the responses of an integration, so that tasks do not call its service.

        This is for services that the local AWS does not have, and for errors that are rare. The
        permissions of the state machine's role are not checked. ``unmock`` and ``reset`` remove the
        responses.

        Args:
            resource: The integration as in the ``Resource`` of a task, such as
                ``glue:startJobRun.sync``, with or without ``arn:aws:states:::``; or a function's
                ARN.
            responses: The results of the tasks in their order, as the state receives them:
                any JSON value, or a ``TaskError``. The last one repeats.
            state: The name of the only state that receives them; all others if None.

        Raises:
            LocalAwsError: If AWS has no such integration, or there is no response.
        """
        name = resource.removeprefix("arn:aws:states:::")
        if not is_known(resource) and not is_known(f"arn:aws:states:::{name}"):
            raise LocalAwsError(
                f"Step Functions has no integration {name!r}",
                remedy="write it as in the Resource of the task, such as 'glue:startJobRun.sync'",
            )
        if not responses:
            raise LocalAwsError(
                f"mock({name!r}) has no response", remedy="add a result or a TaskError"
            )
        described = [
            {"error": one.error, "cause": one.cause}
            if isinstance(one, TaskError)
            else {"result": one}
            for one in responses
        ]
        self._running.ask("mock", {"resource": name, "responses": described, "state": state})

    def unmock(self, resource: str | None = None) -> None:
        """Remove responses of ``mock``, so that tasks call their service again.

        Args:
            resource: The integration, as given to ``mock``; all integrations if None.
        """
        name = None if resource is None else resource.removeprefix("arn:aws:states:::")
        self._running.ask("unmock", {"resource": name})

    def mocked(self, resource: str) -> list[Any]:
        """Return the parameters of the tasks that received responses of ``mock``.

        Args:
            resource: The integration, as given to ``mock``.
        """
        name = resource.removeprefix("arn:aws:states:::")
        found: list[Any] = self._running.ask("mocked", {"resource": name})
        return found

    def create_state_machine(self, name: str, definition: Mapping[str, Any]) -> str:
        """Create a state machine without Terraform, or update an existing one.

        Args:
            name: The state machine's name.
            definition: The definition in the Amazon States Language.

        Returns:
            The state machine's ARN.
        """
        states = self.client("stepfunctions")
        text = json.dumps(definition, ensure_ascii=False)
        arn = f"arn:aws:states:{self.region}:{ACCOUNT_ID}:stateMachine:{name}"
        try:
            states.update_state_machine(stateMachineArn=arn, definition=text)
        except states.exceptions.StateMachineDoesNotExist:
            states.create_state_machine(name=name, definition=text, roleArn=self.admin_role)
        return arn

    def create_function(
        self,
        name: str,
        zip_bytes: bytes,
        handler: str,
        *,
        environment: Mapping[str, str] | None = None,
        layers: Iterable[str] = (),
        timeout: int = 30,
        memory_size: int = 128,
        runtime: str = "python3.11",
    ) -> str:
        """Create a Lambda function without Terraform, or replace an existing one.

        Args:
            name: The function's name.
            zip_bytes: The zip with its code.
            handler: The handler as ``module.function``.
            environment: The function's environment variables.
            layers: The ARNs of its layers.
            timeout: The time limit in seconds.
            memory_size: The memory in MB.
            runtime: The runtime in Lambda. The local AWS runs all functions with the Python that
                runs the tests.

        Returns:
            The function's ARN.
        """
        functions = self.client("lambda")
        with suppress(functions.exceptions.ResourceNotFoundException):
            functions.delete_function(FunctionName=name)
        created = functions.create_function(
            FunctionName=name,
            Runtime=runtime,
            Role=self.admin_role,
            Handler=handler,
            Code={"ZipFile": zip_bytes},
            Environment={"Variables": dict(environment or {})},
            Layers=list(layers),
            Timeout=timeout,
            MemorySize=memory_size,
        )
        return str(created["FunctionArn"])

    def logs(self, function: str) -> list[str]:
        """Return the lines of a function's log, including those that Lambda adds.

        Args:
            function: The function's name or ARN.
        """
        name = function.split(":")[6] if function.startswith("arn:") else function
        logs = self.client("logs")
        pages = logs.get_paginator("filter_log_events")
        try:
            found = pages.paginate(logGroupName=f"/aws/lambda/{name}", interleaved=True)
            return [event["message"] for page in found for event in page["events"]]
        except logs.exceptions.ResourceNotFoundException:
            return []

    def run_schedule(self, name: str, group: str | None = None, *, at: str | None = None) -> str:
        """Call the target of a schedule now, with the permissions of the schedule's role.

        Args:
            name: The schedule's name; that of a trigger is ``NAME.trigger-1``.
            group: The name of the schedule group; by default that of the schedule without the end
                of a trigger's, as in the folders that ``deploy`` applies.
            at: The time for which it starts a run, such as ``2030-01-31T09:00:00Z``; by default
                now.

        Returns:
            The ARN of the execution.

        Raises:
            LocalAwsError: If the schedule does not exist, its target is neither a state machine nor
                a function, its role does not allow it to call the target, or the function fails.
        """
        of_pipeline = name.partition(".")[0] if group is None else group
        request = {"name": name, "group": of_pipeline, "at": at}
        return str(self._running.ask("run_schedule", request)["arn"])

    @property
    def iam_decisions(self) -> list[Decision]:
        """The latest 100,000 decisions on requests of roles, oldest first.

        Empty with ``enforce_iam=False``. ``reset()`` removes the decisions.
        """
        found = self._running.ask("iam_decisions", {})
        return [Decision(**{**one, "statements": tuple(one["statements"])}) for one in found]

    def unused_rights(self) -> list[Right]:
        """Return the permissions in the roles' policies that no request has used."""
        return [Right(**one) for one in self._running.ask("unused_rights", {})]

    def reset(self) -> None:
        """Delete all resources of the account and stop all executions, functions and jobs."""
        self._running.ask("reset", {})
        self._registrar.forget()

    @property
    def _running(self) -> ServerProcess:
        if self._server is None:
            raise LocalAwsError(
                "the local AWS is not running", remedy="write `with LocalAws() as aws:`"
            )
        return self._server

    def _scratch_folder(self) -> Path:
        if self._scratch is None:
            self._scratch = TemporaryDirectory(prefix="local-aws-")
        return Path(self._scratch.name)

    def _terraform(self, folder: str | Path) -> Terraform:
        given = self.environment, self._skip, self._provider, self._states
        return Terraform(Path(folder), self._scratch_folder(), *given)
