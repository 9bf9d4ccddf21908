"""A pipeline as a CDKTF construct."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lokki_tf.asl.text import escaped
from lokki_tf.config import Config
from lokki_tf.model.names import unique
from lokki_tf.packaging import LayerBuilder
from lokki_tf.terraform.account import Account
from lokki_tf.terraform.cdk import Construct, aws, construct_id, core, use_library_of
from lokki_tf.terraform.files import TERRAFORM, write_stack_files
from lokki_tf.terraform.layers import build_layers
from lokki_tf.terraform.permissions import permissions_of, prefix_of
from lokki_tf.terraform.plan import checked_plan
from lokki_tf.terraform.required import required_policies
from lokki_tf.terraform.settings import PIPELINE_TAG, STAGE_TAG
from lokki_tf.terraform.template_values import longest_values
from lokki_tf.tracebacks import ends_at_caller

from .batch import Jobs
from .bucket import BUCKET_PARTS, artifact_bucket, given_bucket
from .functions import add_function
from .helpers import add_notices
from .image import Image
from .layers import add_layers
from .machine import add_machine
from .network import Network
from .schedule import add_schedule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lokki_tf.terraform.plan import HasDefinition


class PipelineConstruct(Construct):
    """A pipeline inside a stack: functions, roles, bucket, state machine, schedule.

    The stack must have an AWS provider. Its resources can be used by other constructs:
    ``state_machine``, ``functions`` and ``roles`` (by step name; only roles that it creates),
    ``bucket``.

    Args:
        scope: The stack, or a construct in it.
        id: Unique in its scope.
        pipeline: The pipeline.
        template_file: A Lambda template instead of the default one.
        vpc_id: A VPC for the functions.
        subnet_filter: Chooses the VPC's subnets.
        outbound_cidr: Addresses to which functions in a VPC may connect.
        layer_builder: Makes the layers of declared packages; by default with the locks of earlier
            synths, in the stack's folder.
        config: Settings, as in ``lokki.toml``; by default the default settings.

    Raises:
        DefinitionError: If the pipeline has errors; nothing is written then.
        MissingToolError: If declared packages cannot be downloaded; nothing is written then.
    """

    @ends_at_caller
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
        config: Config | None = None,
    ) -> None:
        use_library_of(scope)
        self.config = config or Config()
        plan = checked_plan(pipeline, self.config, template_file)
        values = longest_values(plan.definition, plan.machine.functions, self.config)
        machine_text = plan.machine.text(values)
        folder = "" if id == "Default" else id.replace("/", "--")
        stack_folder = _stack_folder(scope)
        place = stack_folder / folder
        builder = layer_builder or LayerBuilder(locks=place)
        layers = build_layers(plan, builder)
        image = Image.of(plan, self.config, builder)
        super().__init__(scope, id)
        self.plan = plan
        # Ids of the pipeline itself; a step with such a name gets another id.
        self._ids = {"Default", "bucket", *BUCKET_PARTS}
        self._tags = {key: escaped(text) for key, text in plan.definition.tags.items()}
        self._files = f"${{path.module}}/{folder}/" if folder else "${path.module}/"
        self._read_account()
        self.network = Network.of(self, vpc_id, subnet_filter, outbound_cidr)
        shared = self.config.aws.artifact_bucket
        self.prefix = prefix_of(plan.definition.name, self.config)
        self.bucket = given_bucket(self, shared) if shared else self._own_bucket()
        self.permissions = permissions_of(plan, self.config, self.account, self.bucket.arn)
        self.store = f"s3://{self.bucket.bucket}/{self.prefix}".rstrip("/")
        self.literals = self._upload_literals()
        self.layers = add_layers(self, layers)
        self.roles: dict[str, aws.iam_role.IamRole] = {}
        self.role_arns: dict[str, str] = {}
        self.functions: dict[str, aws.lambda_function.LambdaFunction] = {}
        self.image_context = image.context if image else None
        self.image, self.image_repository_arn = image.place(self) if image else ("", None)
        for function in plan.functions:
            self.functions[function.step.name] = add_function(self, function)
        self.jobs = Jobs(self)
        self.state_machine = add_machine(self)
        if plan.definition.schedule:
            add_schedule(self, plan.definition)
        for helper in plan.helpers:
            if helper.kind == "notices":
                add_notices(self, helper)
        wanted = required_policies(plan, self.config, in_vpc=bool(self.network))
        more = {**wanted, **(image.files if image else {})}
        write_stack_files(stack_folder / TERRAFORM, place, plan, machine_text, layers, more)

    def tags(self, own: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return a resource's tags: the pipeline's name, stage and tags, and the resource's own."""
        extra = {key: escaped(text) for key, text in (own or {}).items()}
        # Policies select the pipeline's functions and jobs by these tags: steps cannot change them.
        fixed = {key: text for key, text in self._tags.items() if key in (PIPELINE_TAG, STAGE_TAG)}
        return {**self._tags, **extra, **fixed}

    def resource_id(self, name: str) -> str:
        """Return an id that is unique in the pipeline and that Terraform accepts.

        Source: Terraform's language, "Identifiers": the first character is a letter or
        an underscore.
        """
        plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)
        plain = plain if re.match("[A-Za-z_]", plain) else f"_{plain}"
        name = unique(construct_id(plain), self._ids, 200)
        self._ids.add(name)
        return name

    def variable(self, name: str, description: str) -> str:
        """Return the reference to a Terraform variable, which the stack declares once.

        Args:
            name: The variable's name.
            description: Its purpose.
        """
        stack = core.TerraformStack.of(self)
        known = stack.node.try_find_child(f"variable_{name}")
        if known is None:
            known = core.TerraformVariable(
                stack, f"variable_{name}", type="string", description=description
            )
            known.override_logical_id(name)
        return str(cast("core.TerraformVariable", known).string_value)

    def file(self, path: str) -> str:
        """Return the path of a file in the pipeline's folder, as a Terraform expression."""
        return f"{self._files}{path}"

    def key(self, path: str) -> str:
        """Return a key of the bucket, with this pipeline's prefix."""
        return f"{self.prefix}{path}"

    def upload(
        self,
        name: str,
        key: str,
        path: str,
        content: str,
        own: Mapping[str, str] | None = None,
    ) -> aws.s3_object.S3Object:
        """Add an object to the bucket, with the contents of a file in the pipeline's folder.

        Args:
            name: Its id.
            key: Its key, without the pipeline's prefix.
            path: Path of the file.
            content: Hash of the contents; the object is uploaded again when it changes.
            own: Its own tags.
        """
        return aws.s3_object.S3Object(
            self,
            self.resource_id(name),
            bucket=self.bucket.id,
            key=self.key(key),
            source=self.file(path),
            source_hash=content,
            tags=self.object_tags(own),
        )

    def object_tags(self, own: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return tags of an S3 object, at most ten; the bucket has all of them.

        Source: Amazon S3 User Guide, "Categorizing your storage using tags".
        """
        return dict(islice(self.tags(own).items(), 10))

    def role(
        self, name: str, trusted: str, tags: dict[str, str], *, of: str = "."
    ) -> aws.iam_role.IamRole:
        """Add a role that one AWS service may assume.

        Args:
            name: Its id, and the end of its name after the pipeline's.
            trusted: Its trust policy.
            tags: Its tags.
            of: The separator of the names, as for :meth:`Permissions.role_name`.
        """
        return aws.iam_role.IamRole(
            self,
            self.resource_id(name),
            name=self.permissions.role_name(name, of=of),
            assume_role_policy=trusted,
            permissions_boundary=self.config.aws.permissions_boundary,
            tags=tags,
        )

    def log_group(
        self, name: str, log_group: str, tags: dict[str, str]
    ) -> aws.cloudwatch_log_group.CloudwatchLogGroup:
        """Add a log group with retention."""
        return aws.cloudwatch_log_group.CloudwatchLogGroup(
            self,
            self.resource_id(name),
            name=log_group,
            retention_in_days=self.config.aws.log_retention_days,
            kms_key_id=self.config.aws.kms_key,
            tags=tags,
        )

    def _read_account(self) -> None:
        # Data sources, so that the same output is valid in every account and region.
        partition = aws.data_aws_partition.DataAwsPartition(self, self.resource_id("partition"))
        self.account = Account(
            aws.data_aws_caller_identity.DataAwsCallerIdentity(
                self, self.resource_id("account")
            ).account_id,
            aws.data_aws_region.DataAwsRegion(self, self.resource_id("region")).id,
            partition.partition,
            partition.dns_suffix,
        )

    def _own_bucket(self) -> aws.s3_bucket.S3Bucket:
        name = self.account.bucket_name(self.plan.definition.name)
        settings = self.config.aws
        return artifact_bucket(
            self, name, self.tags(), settings.kms_key, run_data_days=settings.run_data_days
        )

    def _upload_literals(self) -> list[aws.s3_object.S3Object]:
        return [
            self.upload(f"literal_{digest}", key, key, digest)
            for key in self.plan.objects
            for digest in [Path(key).name.partition(".")[0]]
        ]


def _stack_folder(scope: Construct) -> Path:
    app = scope.node.root
    outdir = app.outdir if isinstance(app, core.App) else "cdktf.out"
    return Path(outdir, "stacks", core.TerraformStack.of(scope).node.id)
