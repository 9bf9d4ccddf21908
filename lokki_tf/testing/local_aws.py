"""A local AWS for tests: deploy with Terraform, run executions, look at logs."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from lokki_tf.testing.errors import ExecutionNotFinished, LocalAwsError
from lokki_tf.testing.execution import Execution
from lokki_tf.testing.iam.decisions import Decision, Right
from lokki_tf.testing.images.registry import ImageFolder, folders_in
from lokki_tf.testing.register import Registrar, Runnable
from lokki_tf.testing.server_process import ServerProcess
from lokki_tf.testing.settings import (
    ACCOUNT_ID,
    ServerSettings,
    client_environment,
    new_client,
)
from lokki_tf.testing.terraform import SLOW, Terraform
from lokki_tf.tracebacks import ends_at_caller


@ends_at_caller
class LocalAws:
    """An AWS account on this machine, on loopback, which needs no Docker.

    Use it as a context manager; the server ends with the context.

    Args:
        region: the region that clients and Terraform use.
        retry_delay_scale: what the waits before retries are multiplied by; 0 lets tests not wait.
        wait_scale: what the waits of ``Wait`` states are multiplied by.
        workers: how many Lambda processes there are at a time, and how many jobs of Batch.
        containers: whether images run in containers where a Docker API answers; else, and where
            none does, they run as processes from the folders that they are made of.
        enforce_iam: whether functions, jobs, state machines and schedules may do only what the
            policies of their roles allow. What has the account's own keys, such as the tests
            and Terraform, may do everything.
        skip: types of resources that ``deploy`` leaves out; by default the lifecycle rules of
            buckets, for which Terraform's provider waits 55 seconds on any server.
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
    ) -> None:
        self.region = region
        self._settings = ServerSettings(
            region, retry_delay_scale, wait_scale, workers, containers, enforce_iam
        )
        self._skip = skip
        self._server: ServerProcess | None = None
        self._clients: dict[str, Any] = {}
        self._scratch: TemporaryDirectory[str] | None = None
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
        """End the server and all that runs in it."""
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
        """ARN of a role that may do everything, for functions and the like of a test's own."""
        return self._registrar.admin_role()

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which boto3, the AWS CLI and Terraform use this account."""
        return client_environment(self.endpoint_url, self.region)

    def client(self, service: str) -> Any:
        """Return a boto3 client of this account."""
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
    ) -> Execution:
        """Register a pipeline without Terraform, execute it and wait for its end.

        The state machine, zips, layers, images, jobs and roles are those that ``synth`` writes.
        What has not changed since the last run is left as it is. Schedules, networks and most
        settings of the bucket are what only ``deploy`` creates. A role of the user's that the
        account does not have is created with what it needs.

        Args:
            pipeline: The pipeline.
            parameters: Values of its parameters, by name.
            variables: Values of the Terraform variables that layers refer to.
            stage: The stage of ``lokki.toml``; that of ``LOKKI_STAGE`` unless given.
            name: the execution's name.
            timeout: how many seconds to wait.

        Raises:
            BindingError: if a parameter is missing, unknown or of the wrong type.
            DefinitionError: if the pipeline has errors.
            ExecutionNotFinished: if it still ran after that time.
            LocalAwsError: if ``deploy`` has created a state machine of that name.
        """
        pipeline.check_parameters(dict(parameters or {}))
        machine = self.register(pipeline, variables, stage=stage)
        return self.execute(machine, parameters, name=name, timeout=timeout)

    def register(
        self,
        pipeline: Runnable,
        variables: Mapping[str, str] | None = None,
        *,
        stage: str | None = None,
    ) -> str:
        """Register a pipeline without Terraform, as ``run`` does, and execute nothing.

        Args:
            pipeline: The pipeline.
            variables: Values of the Terraform variables that layers refer to.
            stage: The stage of ``lokki.toml``; that of ``LOKKI_STAGE`` unless given.

        Returns:
            The ARN of its state machine.

        Raises:
            DefinitionError: if the pipeline has errors.
            LocalAwsError: if ``deploy`` has created a state machine of that name.
        """
        resources = pipeline.resources(ACCOUNT_ID, self.region, variables=variables, stage=stage)
        return self._registrar.register(resources)

    def deploy(
        self, folder: str | Path, variables: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run ``terraform init`` and ``terraform apply`` in a folder.

        State and plugins stay outside the folder, which is left as it was. The images that its
        ``image.json`` describes are registered.

        Args:
            folder: where the configuration is.
            variables: values of its variables.

        Returns:
            Its outputs, as plain values.

        Raises:
            LocalAwsError: if its ``image.json`` does not describe an image.
            TerraformFailed: with Terraform's own words.
            MissingToolError: if there is no Terraform, it is too old, or its AWS provider
                cannot be obtained.
        """
        for image in folders_in(Path(folder)):
            self.register_image(image.uri, image.app, image.entry)
        return self._terraform(folder).apply(variables)

    def register_image(self, uri: str, folder: str | Path, entry: str = "entry.py") -> None:
        """Register a container image for the folder that it is made of.

        Jobs and functions of that image then run as processes, where no Docker API has the image:
        ``python folder/entry command…``, with the Python that runs the tests.

        Args:
            uri: ``repository:tag``; the registry before it makes no difference.
            folder: what the image has in its working directory.
            entry: the Python file in it that the image starts.

        Raises:
            LocalAwsError: if there is no such file.
        """
        image = ImageFolder(uri, Path(folder).resolve(), entry)
        request = {"uri": image.uri, "app": str(image.app), "entry": image.entry}
        self._running.ask("image", request)

    def plan_is_empty(self, folder: str | Path, variables: Mapping[str, Any] | None = None) -> bool:
        """Return whether a plan of a deployed folder would change nothing.

        Raises:
            TerraformFailed: with Terraform's own words.
        """
        return self._terraform(folder).plan_is_empty(variables)

    def destroy(self, folder: str | Path, variables: Mapping[str, Any] | None = None) -> None:
        """Run ``terraform destroy`` in a folder.

        Raises:
            TerraformFailed: with Terraform's own words.
        """
        self._terraform(folder).destroy(variables)

    def execute(
        self,
        machine: str,
        input: Any = None,  # noqa: A002
        *,
        name: str | None = None,
        timeout: float = 300.0,
    ) -> Execution:
        """Run a state machine and wait for its end.

        Args:
            machine: its ARN or name.
            input: the input, any JSON value; an empty object if None.
            name: the execution's name.
            timeout: how many seconds to wait.

        Raises:
            ExecutionNotFinished: if it still ran after that time.
            LocalAwsError: if there is no such machine, or the name is taken.
        """
        request = {
            "machine": machine,
            "input": json.dumps(
                {} if input is None else input, ensure_ascii=False, separators=(",", ":")
            ),
            "name": name,
            "timeout": timeout,
        }
        execution = Execution.of(self._running.ask("execute", request, timeout + 30))
        if execution.status == "RUNNING":
            raise ExecutionNotFinished(
                f"The execution {execution.arn} still ran after {timeout:g} s.",
                remedy="Give execute() a longer timeout, or look at describe_execution().",
            )
        return execution

    def values(self, execution: Execution) -> dict[str, Any]:
        """Return the results of a pipeline's last steps, by name, wherever they are kept.

        A step that was skipped has none, as in a local run.

        Args:
            execution: of a pipeline's state machine.

        Raises:
            LocalAwsError: if it did not succeed; with its error and cause.
        """
        from lokki_tf.operate.results import values
        from lokki_tf.runtime.store import split

        if not execution.succeeded:
            raise LocalAwsError(
                f"The execution {execution.name} has no results, it is {execution.status}: "
                f"{execution.error}: {execution.cause}",
                remedy="Look at execution.history and at logs() of the step.",
            )

        def read(uri: str) -> bytes:
            bucket, key = split(uri)
            body: bytes = self.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
            return body

        return values(execution.output, read)

    def create_state_machine(self, name: str, definition: Mapping[str, Any]) -> str:
        """Create a state machine without Terraform, or update the one of that name.

        Returns:
            Its ARN.
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
        """Create a Lambda function without Terraform, replacing the one of that name.

        Args:
            name: its name.
            zip_bytes: its code.
            handler: ``module.function``.
            environment: its variables.
            layers: the ARNs of its layers.
            timeout: in seconds.
            memory_size: in MB.
            runtime: what Lambda would run it with; here it is the Python that runs the tests.

        Returns:
            Its ARN.
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
        """Return what a function printed, line by line, with Lambda's own lines.

        Args:
            function: its name or ARN.
        """
        name = function.split(":")[6] if function.startswith("arn:") else function
        logs = self.client("logs")
        pages = logs.get_paginator("filter_log_events")
        try:
            found = pages.paginate(logGroupName=f"/aws/lambda/{name}", interleaved=True)
            return [event["message"] for page in found for event in page["events"]]
        except logs.exceptions.ResourceNotFoundException:
            return []

    def run_schedule(self, name: str, group: str | None = None) -> str:
        """Let a schedule start its state machine now, by its role.

        Args:
            name: the schedule's name.
            group: its group's name; that of the schedule unless given, as ``deploy`` creates it.

        Returns:
            The ARN of the execution.

        Raises:
            LocalAwsError: if there is no such schedule, it does not start a state machine, or its
                role may not do so.
        """
        request = {"name": name, "group": name if group is None else group}
        return str(self._running.ask("run_schedule", request)["arn"])

    @property
    def iam_decisions(self) -> list[Decision]:
        """What IAM has decided for roles, the latest 100,000 decisions in their order.

        Nothing is recorded with ``enforce_iam=False``. ``reset()`` empties the record.
        """
        found = self._running.ask("iam_decisions", {})
        return [Decision(**{**one, "statements": tuple(one["statements"])}) for one in found]

    def unused_rights(self) -> list[Right]:
        """Return what the policies of the account's roles allow and nothing has needed yet."""
        return [Right(**one) for one in self._running.ask("unused_rights", {})]

    def reset(self) -> None:
        """Remove everything from the account and stop what runs."""
        self._running.ask("reset", {})
        self._registrar.forget()

    @property
    def _running(self) -> ServerProcess:
        if self._server is None:
            raise LocalAwsError(
                "This local AWS does not run.", remedy="Use it as `with LocalAws() as aws:`."
            )
        return self._server

    def _scratch_folder(self) -> Path:
        if self._scratch is None:
            self._scratch = TemporaryDirectory(prefix="local-aws-")
        return Path(self._scratch.name)

    def _terraform(self, folder: str | Path) -> Terraform:
        return Terraform(Path(folder), self._scratch_folder(), self.environment, self._skip)
