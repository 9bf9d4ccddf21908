"""A pipeline as a CDKTF construct."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .lazy import prepare

prepare()

from cdktf import App, TerraformStack  # noqa: E402  # Node must be found first
from cdktf_cdktf_provider_aws.cloudwatch_log_group import CloudwatchLogGroup  # noqa: E402
from cdktf_cdktf_provider_aws.data_aws_caller_identity import (  # noqa: E402
    DataAwsCallerIdentity,
)
from cdktf_cdktf_provider_aws.data_aws_partition import DataAwsPartition  # noqa: E402
from cdktf_cdktf_provider_aws.data_aws_region import DataAwsRegion  # noqa: E402
from cdktf_cdktf_provider_aws.iam_role import IamRole  # noqa: E402
from cdktf_cdktf_provider_aws.iam_role_policy import IamRolePolicy  # noqa: E402
from cdktf_cdktf_provider_aws.lambda_function import LambdaFunction  # noqa: E402
from cdktf_cdktf_provider_aws.s3_object import S3Object  # noqa: E402
from cdktf_cdktf_provider_aws.sfn_state_machine import SfnStateMachine  # noqa: E402
from constructs import Construct  # noqa: E402

from lokki_tf.asl.text import escaped  # noqa: E402
from lokki_tf.model import raise_errors, shortened  # noqa: E402
from lokki_tf.model.names import digest, unique  # noqa: E402
from lokki_tf.packaging import LayerBuilder  # noqa: E402

from . import iam  # noqa: E402
from .bucket import artifact_bucket  # noqa: E402
from .files import MACHINE, write_stack_files  # noqa: E402
from .layers import add_layers, build_layers  # noqa: E402
from .network import Network  # noqa: E402
from .plan import Function, make_plan  # noqa: E402
from .schedule import add_schedule  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lokki_tf.model import Definition, Finding

LOG_RETENTION_DAYS = 365
ROLE_NAME_LENGTH = 64
BUCKET_PREFIX_LENGTH = 34  # of 63: account and region take 12 and up to 15, hyphens 2


class HasDefinition(Protocol):
    """What a pipeline must offer to become Terraform."""

    @property
    def definition(self) -> Definition: ...

    def early_findings(self) -> list[Finding]: ...


class PipelineConstruct(Construct):
    """A pipeline inside a stack: functions, roles, bucket, state machine, schedule.

    The stack must have an AWS provider. What it makes can be wired further:
    ``state_machine``, ``functions`` and ``roles`` (by step name), ``bucket``.

    Args:
        scope: The stack, or a construct in it.
        id: Unique in its scope.
        pipeline: The pipeline.
        template_file: A Lambda template instead of the default one.
        vpc_id: A VPC for the functions.
        subnet_filter: Chooses the VPC's subnets.
        outbound_cidr: Where functions in a VPC may connect to.
        layer_builder: Makes the layers of declared packages; otherwise one that keeps to the
            locks that an earlier synth left in the stack's folder.

    Raises:
        DefinitionError: If the pipeline has errors; nothing is written then.
        MissingToolError: If declared packages cannot be reached; the same.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  # CDKTF's own name for it
        pipeline: HasDefinition,
        *,
        template_file: str | Path | None = None,
        vpc_id: str | None = None,
        subnet_filter: Any = None,
        outbound_cidr: list[str] | None = None,
        layer_builder: LayerBuilder | None = None,
    ) -> None:
        plan = make_plan(pipeline.definition, template_file)
        raise_errors([*pipeline.early_findings(), *plan.findings])
        machine_text = plan.machine.text
        folder = "" if id == "Default" else id.replace("/", "--")
        place = _stack_folder(scope) / folder
        layers = build_layers(plan, layer_builder or LayerBuilder(locks=place))
        super().__init__(scope, id)
        self.plan = plan
        self._ids: set[str] = set()
        self._tags = {key: escaped(text) for key, text in plan.definition.tags.items()}
        self._files = f"${{path.module}}/{folder}/" if folder else "${path.module}/"
        self._read_account()
        self._network = Network.of(self, vpc_id, subnet_filter, outbound_cidr)
        self.bucket = artifact_bucket(self, self._bucket_name(), self.tags())
        self.store = f"s3://{self.bucket.bucket}"
        self._literals = self._upload_literals()
        self._layers = add_layers(self, layers)
        self.roles: dict[str, IamRole] = {}
        self.functions: dict[str, LambdaFunction] = {}
        for function in plan.functions:
            self._add_function(function)
        self.state_machine = self._add_machine()
        if plan.definition.schedule:
            add_schedule(self, plan.definition)
        write_stack_files(place, plan, machine_text, layers)

    def tags(self, own: Mapping[str, str] | None = None) -> dict[str, str]:
        """Tags of a resource: the pipeline's name, its tags, and the resource's own."""
        extra = {key: escaped(text) for key, text in (own or {}).items()}
        return {"lokki:pipeline": self.plan.definition.name, **self._tags, **extra}

    def resource_id(self, name: str) -> str:
        """An id that no other resource of the pipeline has."""
        name = unique(re.sub(r"[^A-Za-z0-9_-]", "_", name), self._ids, 200)
        self._ids.add(name)
        return name

    def file(self, path: str) -> str:
        """A file in the pipeline's folder, as Terraform finds it."""
        return f"{self._files}{path}"

    def role(self, name: str, trusted: str, tags: dict[str, str]) -> IamRole:
        """A role that one AWS service may take."""
        return IamRole(
            self,
            self.resource_id(name),
            name=shortened(f"{self.plan.definition.name}-{name}", ROLE_NAME_LENGTH),
            assume_role_policy=trusted,
            tags=tags,
        )

    def log_group(self, name: str, log_group: str, tags: dict[str, str]) -> CloudwatchLogGroup:
        """A log group with retention."""
        return CloudwatchLogGroup(
            self,
            self.resource_id(name),
            name=log_group,
            retention_in_days=LOG_RETENTION_DAYS,
            tags=tags,
        )

    def _read_account(self) -> None:
        # Data sources, so that one output serves every account and region.
        self.account = DataAwsCallerIdentity(self, self.resource_id("account")).account_id
        self.region = DataAwsRegion(self, self.resource_id("region")).name
        self.partition = DataAwsPartition(self, self.resource_id("partition")).partition

    def _bucket_name(self) -> str:
        """Unique in all of AWS: 63 characters, lower case, with account and region."""
        name = self.plan.definition.name
        plain = re.sub(r"[^a-z0-9-]", "-", name.lower()).strip("-") or "pipeline"
        if plain != name:  # two names that differ in case alone must not share a bucket
            plain = f"{plain[:25]}-{digest(name)}"
        return f"{shortened(plain, BUCKET_PREFIX_LENGTH)}-{self.account}-{self.region}"

    def _upload_literals(self) -> list[S3Object]:
        return [
            S3Object(
                self,
                self.resource_id(f"literal_{key.partition('/')[2].partition('.')[0]}"),
                bucket=self.bucket.id,
                key=key,
                source=self.file(key),
                source_hash=key.partition("/")[2].partition(".")[0],
                tags=self.tags(),
            )
            for key in self.plan.objects
        ]

    def _add_function(self, function: Function) -> None:
        step, options = function.step, function.step.options
        tags = self.tags({"lokki:step": step.name, **options.tags})
        code = S3Object(
            self,
            self.resource_id(f"{step.name}_code"),
            bucket=self.bucket.id,
            key=f"code/{step.name}.zip",
            source=self.file(f"lambdas/{step.name}/code.zip"),
            source_hash=function.package.sha256_base64,
            tags=tags,
        )
        logs = self.log_group(f"{step.name}_logs", f"/aws/lambda/{function.name}", tags)
        role = self.role(f"{step.name}_role", iam.trust("lambda.amazonaws.com"), tags)
        statements = [
            iam.write_logs(logs.arn),
            iam.write_objects([f"{self.bucket.arn}/runs/*"]),
            iam.TRACING,
        ]
        if function.reads:
            arns = [f"{self.bucket.arn}/runs/*", f"{self.bucket.arn}/literals/*"]
            statements.append(iam.read_objects(arns))
        if self._network:
            statements.append(iam.NETWORK)
        policies = [iam.document(statements), *(escaped(text) for text in options.policies)]
        attached = [
            IamRolePolicy(
                self,
                self.resource_id(f"{step.name}_policy"),
                name="lokki" if number == 0 else f"own-{number}",
                role=role.id,
                policy=policy,
            )
            for number, policy in enumerate(policies)
        ]
        environment = {name: escaped(text) for name, text in options.env_variables.items()}
        self.roles[step.name] = role
        self.functions[step.name] = LambdaFunction(
            self,
            self.resource_id(step.name),
            function_name=function.name,
            description=escaped(_description(function)) or None,
            role=role.arn,
            s3_bucket=code.bucket,
            s3_key=code.key,
            source_code_hash=function.package.sha256_base64,
            handler="lambda_function.lambda_handler",
            runtime=options.python_runtime,
            architectures=[options.architecture],
            memory_size=options.memory_size,
            timeout=options.timeout_seconds,
            ephemeral_storage={"size": options.ephemeral_storage},
            layers=self._layers_of(function) or None,
            environment={"variables": environment} if environment else None,
            tracing_config={"mode": "Active"},
            vpc_config=self._network.config if self._network else None,
            tags=tags,
            depends_on=[logs, *attached],
        )

    def _layers_of(self, function: Function) -> list[str]:
        """ARNs; what stands in a later layer hides the same in an earlier one."""
        declared = [self._layers[function.packages]] if function.packages else []
        return [*(layer.arn for layer in declared), *function.step.options.layers]

    def _add_machine(self) -> SfnStateMachine:
        name = self.plan.definition.name
        tags = self.tags()
        logs = self.log_group("state_machine_logs", f"/aws/vendedlogs/states/{name}", tags)
        source = {"StringEquals": {"aws:SourceAccount": self.account}}
        role = self.role("state_machine_role", iam.trust("states.amazonaws.com", source), tags)
        arns = [function.arn for function in self.functions.values()]
        policy = IamRolePolicy(
            self,
            self.resource_id("state_machine_policy"),
            name="lokki",
            role=role.id,
            policy=iam.document(
                [
                    iam.invoke(arns),
                    *self._map_statements(),
                    iam.LOG_DELIVERY,
                    iam.TRACING,
                    iam.SAMPLING,
                ]
            ),
        )
        values = {
            "store": self.store,
            "bucket": self.bucket.bucket,
            "prefix": "",
            "partition": self.partition,
        }
        for function in self.plan.functions:
            values[function.placeholder] = self.functions[function.step.name].arn
        return SfnStateMachine(
            self,
            self.resource_id("state_machine"),
            name=name,
            type="STANDARD",
            definition=_templatefile(self.file(MACHINE), values),
            role_arn=role.arn,
            logging_configuration={
                "include_execution_data": True,
                "level": "ALL",
                "log_destination": f"{logs.arn}:*",
            },
            tracing_configuration={"enabled": True},
            tags=tags,
            # A machine whose role cannot deliver logs yet is refused.
            depends_on=[policy, *self._literals],
        )

    def _map_statements(self) -> list[iam.Statement]:
        """What Distributed Maps need; ARNs from names, since references would be a circle."""
        labels = self.plan.machine.labels
        if not labels:
            return []
        name = self.plan.definition.name
        states = f"arn:{self.partition}:states:{self.region}:{self.account}"
        return [
            *iam.run_maps(f"{states}:stateMachine:{name}", f"{states}:execution:{name}", labels),
            iam.exchange_objects([f"{self.bucket.arn}/runs/*"]),
        ]


def _stack_folder(scope: Construct) -> Path:
    app = scope.node.root
    outdir = app.outdir if isinstance(app, App) else "cdktf.out"
    return Path(outdir, "stacks", TerraformStack.of(scope).node.id)


def _templatefile(path: str, values: Mapping[str, str]) -> str:
    """An expression of Terraform's; CDKTF's own function would escape ``path.module``."""
    listed = ", ".join(f'{name} = "{value}"' for name, value in values.items())
    return f'${{templatefile("{path}", {{{listed}}})}}'


def _description(function: Function) -> str:
    """At most 256 characters, as Lambda takes."""
    text = function.step.options.description or function.step.function.__doc__ or ""
    return text.strip().partition("\n")[0].strip()[:256]
