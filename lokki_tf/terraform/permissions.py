"""The permissions of each role of a pipeline.

ARNs are built from names, since a role's policy is created before the resources that use it. Where
a Terraform reference makes no cycle, the constructs pass it as an argument instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lokki_tf.model import Step, TerraformRef, shortened
from lokki_tf.runtime.busy import FOLDER
from lokki_tf.runtime.names import ANSWER, ERROR, ITEMS, NOTICES, STARTS
from lokki_tf.runtime.secret_sources import PARAMETERS, parts

from . import iam, kms
from .datasets import read_datasets
from .names import (
    JOB_LOG_GROUP,
    ROLE_NAME_LENGTH,
    SCHEDULE_NAME_LENGTH,
    functions_named,
    helper_name,
    prefix_of,
    queue_name,
)
from .settings import PIPELINE_TAG, STAGE_TAG
from .starts import executions_arn, machine_arn, started_in, store_of
from .triggers import schedule_name, scheduled_triggers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lokki_tf.config import Config

    from .account import Account
    from .iam import Statement
    from .plan import Function, Job, StackPlan

MOST_ARNS = 24
"""Most ARNs in a statement: an ARN has up to 130 characters, and the inline policies of a role have
10,240 in total (IAM User Guide, "IAM and STS quotas")."""

_MOST_EARLIER = 8
"""Most nodes of a job for which executions of earlier definitions go on: each has three ARNs."""


@dataclass(frozen=True, slots=True)
class Permissions:
    """Statements for the roles of one pipeline.

    Args:
        plan: The pipeline.
        account: The account and region.
        bucket: ARN of its bucket.
        prefix: Prefix of its keys there, ending with ``/``; empty if no other pipeline uses the
            bucket.
        key: ARN of the user's KMS key, if there is one.
        bucket_key: ARN of the user's KMS key for the bucket's objects, if there is one.
        state_machine_logs: Whether the state machine logs.
        state_machine_traces: Whether X-Ray traces it.
        versions: Whether the state machine calls versions of functions.
    """

    plan: StackPlan
    account: Account
    bucket: str
    prefix: str = ""
    key: str | None = None
    bucket_key: str | None = None
    state_machine_logs: bool = True
    state_machine_traces: bool = True
    versions: bool = False

    def of_step(self, function: Function, log_group: str, *, in_vpc: bool) -> list[Statement]:
        """Allow a function to write its log and its results, and to read its inputs.

        Args:
            function: The function.
            log_group: ARN of its log group.
            in_vpc: Whether it is in a VPC.
        """
        statements = [
            iam.write_logs(log_group),
            self._write(function.step.name),
            iam.TRACING,
        ]
        if function.reads:
            statements.append(iam.read_objects(self._readable))
        statements += self._secrets(function.step)
        if in_vpc:
            statements.append(iam.NETWORK)
        # Also for functions that only write: large values are sent in parts, which needs both
        # actions. Source: Amazon S3 User Guide, "Multipart upload and permissions".
        statements += self._object_key(reads=True)
        if self.key:
            name = self.account.arn("lambda", f"function:{function.name}")
            statements.append(kms.for_variables(self.key, self._every_version([name])))
        return statements

    def of_job(self, job: Job) -> list[Statement]:
        """Allow a job to read its event and the event's objects, and to write its answer.

        Definitions of versions that wrote answers next to the event, without the step's folder,
        find them there when an execution goes on after an upgrade.

        Args:
            job: The job.
        """
        walk = self.plan.definition.whole.walk()
        nodes = [node.name for node in walk if node.step is job.step] or [job.step.name]
        earlier = [
            self._objects(f"runs/*/{node}{end}")
            for node in nodes[:_MOST_EARLIER]
            for end in (f".{ANSWER}", f".{ERROR}", f"/{ITEMS}")
        ]
        return [
            self._write(job.step.name),
            iam.write_earlier_answers(earlier),
            iam.read_objects(self._readable),
            *self._secrets(job.step),
            *self._object_key(reads=True),
        ]

    def of_containers(self, log_groups: Sequence[str], repository: str | None) -> list[Statement]:
        """Allow to pull the image and to write the jobs' logs, for starting containers.

        Args:
            log_groups: ARNs of the jobs' log groups.
            repository: ARN of the image's repository; empty if it is not in ECR.
        """
        every = self.account.arn("logs", f"log-group:{JOB_LOG_GROUP}{self.plan.jobs_named}")
        logs = iam.write_logs(*self._few(log_groups, every))
        return [*(iam.start_containers(repository) if repository else []), logs]

    def of_helper(
        self, kind: str, log_group: str, called: Sequence[str], queue: str
    ) -> list[Statement]:
        """Return the statements for a helper function.

        Args:
            kind: ``notices``, ``job_errors``, ``starts``, ``triggers`` or ``locks``.
            log_group: ARN of its log group.
            called: Of notices: ARNs of the steps' functions that it calls.
            queue: Of notices and triggers: ARN of the queue of events that could not be handled.
        """
        runs, name = [self._objects("runs/*")], self.plan.definition.name
        function = self.account.arn("lambda", f"function:{helper_name(name, kind)}")
        statements = [iam.write_logs(log_group), iam.TRACING]
        if kind == "job_errors":
            statements.append(iam.read_objects(runs))
            if self.key:
                statements.append(kms.for_variables(self.key, self._every_version([function])))
            return [*statements, *self._object_key(reads=True, writes=False)]
        if kind == "starts":
            if self.key:
                statements.append(kms.for_variables(self.key, self._every_version([function])))
            return [*statements, *self._of_start_helper()]
        if kind == "triggers":
            statements += [iam.start(self.state_machine_arn), iam.send([queue])]
            if self.key:
                statements.append(kms.for_variables(self.key, self._every_version([function])))
                statements.append(kms.for_queue(self.key, self.account, queue))
            return statements
        executions = self.account.arn("states", f"execution:{name}:*")
        if kind == "locks":
            if self.key:
                statements.append(kms.for_variables(self.key, self._every_version([function])))
            locks = self._objects(f"{FOLDER}/*")
            return [*statements, *iam.take_slots(locks, executions), *self._object_key(reads=True)]
        notified = self.plan.definition.on_failure
        topic = None if isinstance(notified, Step) else self.account.text(notified)
        statements += [
            self._write(NOTICES),
            iam.read_histories(
                [executions], definitions=self.plan.state_machine.cleanup is not None
            ),
            iam.send([queue]),
            *([iam.publish(topic)] if topic else []),
            *([iam.invoke(self._every_version(called))] if called else []),
            *self._object_key(reads=False),
        ]
        if self.key:
            statements += [
                kms.for_variables(self.key, self._every_version([function])),
                kms.for_executions(self.key, [self.state_machine_arn], writes=False),
                kms.for_queue(self.key, self.account, queue),
            ]
            if topic:
                statements.append(kms.for_topic(self.key, self.account, topic))
        return statements

    def of_state_machine(self, functions: Sequence[str]) -> list[Statement]:
        """Allow the state machine to call functions, to run maps and to deliver its log.

        Args:
            functions: ARNs of the functions.
        """
        statements = [
            *(self._of_functions(functions) if functions else []),
            *self._of_maps(),
            *read_datasets(self.plan.definition, self.account),
            *self._of_jobs(),
            *self._of_starts(),
            *([iam.LOG_DELIVERY] * self.state_machine_logs),
            *([iam.TRACING, iam.SAMPLING] * self.state_machine_traces),
        ]
        labels = self.plan.state_machine.labels
        if self.key:
            maps = [f"{self.state_machine_arn}/{label}" for label in labels]
            state_machines = [
                self.state_machine_arn,
                *self._few(maps, f"{self.state_machine_arn}/*"),
            ]
            statements.append(kms.for_executions(self.key, state_machines))
            if self.state_machine_logs:
                statements.append(kms.for_log_delivery(self.key, self.account))
        if labels or self.plan.jobs:
            statements += self._object_key(reads=True)
        return statements

    def of_schedules(self, state_machine: str, function: str, queue: str) -> list[Statement]:
        """Allow schedules to start the state machine, or to call the function of triggers.

        Args:
            state_machine: ARN of the state machine.
            function: ARN of the function of triggers; not used without such schedules.
            queue: ARN of the queue of events that could not start an execution.
        """
        definition, group = self.plan.definition, self.schedule_name
        names = [group] if definition.schedule else []
        statements = [iam.start(state_machine)] if definition.schedule else []
        own = scheduled_triggers(definition)
        if own:
            names += [schedule_name(definition.name, number) for number in own]
            statements += [iam.invoke([function]), iam.send([queue])]
            if self.key:
                statements.append(kms.for_queue(self.key, self.account, queue))
        if self.key:
            arns = [self.account.arn("scheduler", f"schedule/{group}/{name}") for name in names]
            statements.append(kms.for_schedules(self.key, arns))
        return statements

    def role_name(self, name: str, *, separator: str = ".") -> str:
        """Return the name of a role that is created here.

        Roles belong to an account, not to a region, and a pipeline may be deployed in several
        regions.

        Args:
            name: The end of the name, after the pipeline's.
            separator: ``-`` before a step's name; for the pipeline's own roles a dot, which no
                step's name can have, so that the two never have the same name.
        """
        stem = shortened(f"{self.plan.definition.name}{separator}{name}", ROLE_NAME_LENGTH - 16)
        return f"{stem}-{self.account.region}"

    def trust(self, service: str) -> str:
        """Return the trust policy of a role that a service may assume, only for this account.

        Args:
            service: ``states.amazonaws.com`` for example.
        """
        return iam.trust(service, {"StringEquals": {"aws:SourceAccount": self.account.number}})

    @property
    def state_machine_arn(self) -> str:
        """The state machine's ARN."""
        return self.account.arn("states", f"stateMachine:{self.plan.definition.name}")

    @property
    def schedule_name(self) -> str:
        """The name of the schedule, and of the group of all schedules of the pipeline."""
        return shortened(self.plan.definition.name, SCHEDULE_NAME_LENGTH)

    def _of_maps(self) -> list[Statement]:
        """Allow to run Distributed Maps, with items and results in the bucket."""
        state_machine = self.plan.state_machine
        if not state_machine.labels:
            return []
        execution = self.account.arn("states", f"execution:{self.plan.definition.name}")
        return [
            *iam.run_maps(
                self.state_machine_arn,
                execution,
                nested=state_machine.nested_maps,
                standard=state_machine.standard_maps,
            ),
            iam.exchange_objects([self._objects("runs/*")]),
        ]

    def _of_jobs(self) -> list[Statement]:
        """Allow to submit jobs and wait for them, with events and answers in the bucket."""
        jobs = self.plan.jobs
        if not jobs:
            return []
        if len(jobs) <= MOST_ARNS // 2:  # each is listed twice
            definitions = [self.account.arn("batch", f"job-definition/{job.name}") for job in jobs]
            submit = iam.submit(definitions)
        else:
            pattern = self.account.arn("batch", f"job-definition/{self.plan.jobs_named}")
            submit = iam.tagged(iam.submit([pattern]), self._tags)
        return [
            *iam.run_jobs(
                submit,
                list(dict.fromkeys(self._queue(job) for job in jobs)),
                self.account.arn("batch", "job/*"),
                self.account.arn("events", "rule/StepFunctionsGetEventsForBatchJobsRule"),
            ),
            iam.exchange_answers([self._objects("runs/*")]),
        ]

    def _of_starts(self) -> list[Statement]:
        """Allow to start other pipelines and wait for them, with Step Functions' own rule."""
        started = started_in(self.plan.definition)
        if not started:
            return []
        arns, executions = (
            list(dict.fromkeys(made(one, self.account) for one in started))
            for made in (machine_arn, executions_arn)
        )
        rule = "rule/StepFunctionsGetEventsForStepFunctionsExecutionRule"
        statements = iam.start_pipelines(arns, executions, self.account.arn("events", rule))
        if self.key:  # for their outputs
            read = kms.for_executions(self.key, arns, writes=False, sid="StartedExecutionsKey")
            statements.append(read)
        return statements

    def _of_start_helper(self) -> list[Statement]:
        """Allow to read parameters and trusted results, and to write results."""
        shared = self.bucket if self.prefix else None  # its ARN may be a reference
        trusted = []
        for one in started_in(self.plan.definition):
            if one.trust:
                bucket, prefix = store_of(one, self.account, shared)
                arn = shared or f"arn:{self.account.partition}:s3:::{bucket}"
                trusted.append(f"{arn}/{prefix}runs/*")
        keys = self._object_key(reads=True)
        if self.bucket_key and trusted:
            arns = [self.bucket, self._objects("*"), *trusted]
            arns += [arn.partition("/")[0] for arn in trusted]
            keys = [kms.for_objects(self.bucket_key, self.account, arns, reads=True)]
        return [
            self._write(STARTS),
            iam.read_objects([*self._readable, *trusted]),
            *keys,
        ]

    def _secrets(self, step: Step) -> list[Statement]:
        """Allow to read exactly the secrets of a step; AWS ends the ARNs of names at random."""
        secrets: dict[str, None] = {}
        parameters: dict[str, None] = {}
        for service, name, _ in map(parts, step.options.secrets.values()):
            if service == PARAMETERS:
                parameters[self.account.arn("ssm", f"parameter/{name.removeprefix('/')}")] = None
            elif name.startswith("arn:"):
                secrets[name] = None
            else:
                secrets[self.account.arn("secretsmanager", f"secret:{name}-??????")] = None
        statements = []
        if secrets:
            statements.append(iam.read_secrets(list(secrets)))
        if parameters:
            statements.append(iam.read_parameters(list(parameters)))
        if self.key and secrets:
            statements.append(kms.for_secrets(self.key, self.account, list(secrets)))
        if self.key and parameters:
            statements.append(kms.for_parameters(self.key, self.account, list(parameters)))
        return statements

    def _of_functions(self, functions: Sequence[str]) -> list[Statement]:
        """Return the right to call functions; many are selected by the pipeline's tags.

        Versions have no tags (Lambda API Reference, "ListTags"): those of many functions are
        selected by the beginning of their names, which other pipelines' functions may have as well.
        """
        listed = self._every_version(functions)
        if len(listed) <= MOST_ARNS:
            return [iam.invoke(listed)]
        named = functions_named(self.plan.definition.name)
        pattern = self.account.arn("lambda", f"function:{named}")
        tagged = iam.tagged(iam.invoke([pattern]), self._tags)
        return [tagged, *([iam.invoke_versions([f"{pattern}:*"])] if self.versions else [])]

    def _every_version(self, functions: Sequence[str]) -> list[str]:
        """Return ARNs of functions; if they have versions, with those of all their versions.

        Executions that began earlier call earlier versions, or, from before the setting, none.
        """
        return [*functions, *(f"{arn}:*" for arn in functions if self.versions)]

    @property
    def _tags(self) -> dict[str, str | None]:
        """Return tags that exclude pipelines whose names begin with this pipeline's name."""
        return {name: self.plan.definition.tags.get(name) for name in (PIPELINE_TAG, STAGE_TAG)}

    @staticmethod
    def _few(arns: Sequence[str], pattern: str, most: int = MOST_ARNS) -> list[str]:
        """Return the ARNs if they are few enough for a policy, otherwise a pattern of all."""
        return list(arns) if len(arns) <= most else [pattern]

    def _queue(self, job: Job) -> str:
        """Return the ARN of a job's queue: the user's, or the one that is created."""
        given = job.step.options.job_queue
        if isinstance(given, TerraformRef) or (given and given.startswith("arn:")):
            return self.account.text(given)
        name = given or queue_name(self.plan.definition.name, job.step.options.platform)
        return self.account.arn("batch", f"job-queue/{name}")

    @property
    def _readable(self) -> list[str]:
        """Return patterns of keys: results, and literals if any are too large to be inline."""
        paths = ["runs/*", *(["literals/*"] if self.plan.objects else [])]
        return [self._objects(path) for path in paths]

    def _write(self, folder: str) -> Statement:
        """Return the right to write run data below the step's own folder only."""
        return iam.write_objects([self._objects(f"runs/{folder}/*")])

    def _objects(self, path: str) -> str:
        """Return the ARN of the pipeline's objects below a path, or of those that match it."""
        return f"{self.bucket}/{self.prefix}{path}"

    def _object_key(self, *, reads: bool, writes: bool = True) -> list[Statement]:
        """Return the right to use the KMS key of the bucket's objects, if the user has set one."""
        if self.bucket_key is None:
            return []
        arns = [self.bucket, self._objects("*")]
        return [kms.for_objects(self.bucket_key, self.account, arns, reads=reads, writes=writes)]


def permissions_of(plan: StackPlan, config: Config, account: Account, bucket: str) -> Permissions:
    """Return the permissions of a pipeline's roles.

    Args:
        plan: The pipeline.
        config: Settings, as in ``lokki.toml``.
        account: The account and region.
        bucket: ARN of its bucket.
    """
    return Permissions(
        plan,
        account,
        bucket,
        prefix_of(plan.definition.name, config),
        account.text(config.aws.kms_key),
        account.text(config.aws.artifact_bucket_kms_key or config.aws.kms_key),
        state_machine_logs=config.state_machine.log_level != "OFF",
        state_machine_traces=config.state_machine.tracing,
        versions=config.lambda_.versions,
    )
