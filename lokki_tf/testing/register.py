"""Register a pipeline's resources in a local AWS through its API, without Terraform."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from lokki_tf.model import Definition
from lokki_tf.model.resources import (
    FunctionResource,
    ImageResource,
    JobResource,
    NoticeResource,
    Resources,
    RoleResource,
)
from lokki_tf.testing.errors import LocalAwsError
from lokki_tf.testing.settings import ACCOUNT_ID

_HANDLER = "lambda_function.lambda_handler"
_MAX_VCPUS = 256
_PROFILE_NAME = "local-aws"
_TRUST = {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}
_EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


class Begun(Protocol):
    """What a trigger starts for an event."""

    @property
    def name(self) -> str: ...

    @property
    def input(self) -> Mapping[str, Any]: ...


class Runnable(Protocol):
    """The methods of a pipeline that ``LocalAws.run`` calls."""

    @property
    def definition(self) -> Definition: ...

    def check_parameters(self, given: Mapping[str, Any]) -> None: ...

    def event_input(
        self,
        event: Any,
        trigger: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        *,
        stage: str | None = None,
    ) -> Begun: ...

    def resources(
        self,
        account_id: str,
        region: str,
        *,
        variables: Mapping[str, str] | None = None,
        stage: str | None = None,
    ) -> Resources: ...


class Registrar:
    """Registers resources, except those that have not changed since the last registration.

    Args:
        client: Returns a boto3 client for a service.
        register_image: Registers an image; the arguments are its URI, the folder of its files and
            the file to start.
        scratch: Returns the folder for the files of images.
    """

    def __init__(
        self,
        client: Callable[[str], Any],
        register_image: Callable[[str, Path, str], None],
        scratch: Callable[[], Path],
    ) -> None:
        self._client = client
        self._register_image = register_image
        self._scratch = scratch
        self._registered: dict[tuple[str, str], Any] = {}
        self._arns: dict[tuple[str, str], str] = {}
        self._lock = Lock()

    def admin_role(self) -> str:
        """Return the ARN of a role with all permissions, creating it at the first call."""
        role = RoleResource("/local-aws", _document(_TRUST), {"everything": _document(_EVERYTHING)})
        with self._lock:
            return self._once("role", role.path, role, self._put_role)

    def register(self, resources: Resources) -> str:
        """Register all resources of a pipeline.

        Returns:
            The ARN of the state machine.

        Raises:
            LocalAwsError: If Terraform has deployed a state machine with the same name.
        """
        with self._lock:
            self._require_own(resources.name)
            for role in resources.roles:
                self._once("role", role.path, role, self._put_role)
            self._put_objects(resources)
            for name, code in resources.layers.items():
                self._once("layer", name, code, self._publish_layer)
            if resources.image is not None:
                self._once("image", resources.image.uri, resources.image, self._add_image)
            for function in resources.functions:
                self._create_function(function, resources)
            for name, platform in resources.queues.items():
                self._once("queue", name, platform, self._create_queue)
            for job in resources.jobs:
                self._once("job", job.name, (job, resources.tags), self._register_job)
            if resources.notices is not None:
                notices = resources.notices
                # A replaced function has lost its resource-based policy.
                function = self._registered["function", notices.function]
                wanted = (notices, resources.kms_key, function)
                self._once("notices", notices.rule, wanted, self._notify_failures)
            # Requests are compared as JSON, in which 0, 0.0 and False differ.
            request = {
                "definition": json.dumps(resources.definition, ensure_ascii=False),
                "roleArn": resources.role,
                "loggingConfiguration": self._logging(resources),
                "tracingConfiguration": {"enabled": resources.tracing},
                **_encryption(resources.kms_key),
            }
            return self._once("state machine", resources.name, request, self._put_state_machine)

    def forget(self) -> None:
        """Clear the record of registered resources, after the account was reset."""
        with self._lock:
            self._registered.clear()
            self._arns.clear()

    def _once(
        self, kind: str, name: str, resource: Any, register: Callable[[str, Any], str]
    ) -> str:
        """Register a resource unless an equal one is registered, and return its ARN."""
        key = (kind, name)
        if key not in self._registered or self._registered[key] != resource:
            self._arns[key] = register(name, resource)
            self._registered[key] = resource
        return self._arns[key]

    def _require_own(self, name: str) -> None:
        if ("state machine", name) in self._registered:
            return
        states = self._client("stepfunctions")
        pages = states.get_paginator("list_state_machines").paginate()
        if any(one["name"] == name for page in pages for one in page["stateMachines"]):
            raise LocalAwsError(
                f"the account already has a state machine {name!r} that run() did not register",
                remedy="call destroy() with its folder or reset() first, or use a new LocalAws()",
            )

    def _put_role(self, path: str, role: RoleResource) -> str:
        iam = self._client("iam")
        name = path.rpartition("/")[2]
        boundary = {"PermissionsBoundary": role.boundary} if role.boundary else {}
        try:
            made = iam.create_role(
                RoleName=name,
                Path=path.removesuffix(name),
                AssumeRolePolicyDocument=role.trust,
                **boundary,
            )
        except iam.exceptions.EntityAlreadyExistsException:
            made = iam.get_role(RoleName=name)
            if role.given and ("role", path) not in self._registered:
                return str(made["Role"]["Arn"])
            self._update_role(name, role)
        for policy, document in role.policies.items():
            iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=document)
        return str(made["Role"]["Arn"])

    def _update_role(self, name: str, role: RoleResource) -> None:
        """Update the trust policy and the boundary of a role, and delete outdated policies."""
        iam = self._client("iam")
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=role.trust)
        if role.boundary:
            iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=role.boundary)
        else:
            iam.delete_role_permissions_boundary(RoleName=name)
        for old in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            if old not in role.policies:
                iam.delete_role_policy(RoleName=name, PolicyName=old)

    def _put_objects(self, resources: Resources) -> None:
        s3 = self._client("s3")
        bucket = resources.bucket
        self._once("bucket", bucket, resources.bucket_key, self._create_bucket)
        for key, data in resources.objects.items():
            uri = f"s3://{bucket}/{key}"
            if self._registered.get(("object", uri)) != data:
                s3.put_object(Bucket=bucket, Key=key, Body=data)
                self._registered["object", uri] = data

    def _create_bucket(self, name: str, kms_key: str | None) -> str:
        s3 = self._client("s3")
        region = s3.meta.region_name
        # A LocationConstraint is required in all regions except us-east-1.
        more = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        with suppress(s3.exceptions.BucketAlreadyOwnedByYou):  # shared by several pipelines
            s3.create_bucket(Bucket=name, **({} if region == "us-east-1" else more))
        if kms_key is not None:
            default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": kms_key}
            rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}
            s3.put_bucket_encryption(
                Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]}
            )
        return f"arn:aws:s3:::{name}"

    def _publish_layer(self, name: str, code: bytes) -> str:
        made = self._client("lambda").publish_layer_version(
            LayerName=name, Content={"ZipFile": code}
        )
        return str(made["LayerVersionArn"])

    def _add_image(self, uri: str, image: ImageResource) -> str:
        folder = self._scratch() / "images" / uri.rpartition("/")[2].replace(":", "/")
        for path, data in image.files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        self._register_image(uri, folder, image.entry)
        return uri

    def _create_function(self, function: FunctionResource, resources: Resources) -> None:
        own = [self._arns["layer", name] for name in function.own_layers]
        image = resources.image.uri if resources.image else ""
        code: dict[str, Any]
        if function.code is None:
            code = {
                "PackageType": "Image",
                "Code": {"ImageUri": image},
                "ImageConfig": {"Command": list(function.command)},
            }
        else:
            code = {
                "Code": {"ZipFile": function.code},
                "Handler": _HANDLER,
                "Runtime": function.runtime,
                "Layers": [*own, *function.layers],
            }
        request = {
            **code,
            "Role": function.role,
            "TracingConfig": {"Mode": "Active"},
            "Architectures": [function.architecture],
            "Timeout": function.timeout,
            "MemorySize": function.memory_size,
            "EphemeralStorage": {"Size": function.ephemeral_storage},
            "Environment": {"Variables": dict(function.environment)},
            "Tags": dict(resources.tags),
        }
        if function.subnets:
            group = f"functions-of-{resources.name}"
            request["VpcConfig"] = {
                "SubnetIds": list(function.subnets),
                "SecurityGroupIds": [group],
            }
        if resources.kms_key:
            request["KMSKeyArn"] = resources.kms_key
        self._once("function", function.name, request, self._replace_function)

    def _replace_function(self, name: str, request: Mapping[str, Any]) -> str:
        functions = self._client("lambda")
        if ("function", name) in self._registered:
            with suppress(functions.exceptions.ResourceNotFoundException):
                functions.delete_function(FunctionName=name)
        return str(functions.create_function(FunctionName=name, **request)["FunctionArn"])

    def _create_queue(self, name: str, platform: str) -> str:
        batch, ec2 = self._client("batch"), self._client("ec2")
        subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]]
        groups = [one["GroupId"] for one in ec2.describe_security_groups()["SecurityGroups"]]
        instances = {"instanceRole": self._profile(), "instanceTypes": ["optimal"], "minvCpus": 0}
        environment = batch.create_compute_environment(
            computeEnvironmentName=name,
            type="MANAGED",
            computeResources={
                "type": platform.upper(),
                "maxvCpus": _MAX_VCPUS,
                "subnets": subnets[:1],
                "securityGroupIds": groups[:1],
                **(instances if platform == "ec2" else {}),
            },
        )
        order = {"order": 1, "computeEnvironment": environment["computeEnvironmentArn"]}
        made = batch.create_job_queue(
            jobQueueName=name, state="ENABLED", priority=1, computeEnvironmentOrder=[order]
        )
        return str(made["jobQueueArn"])

    def _profile(self) -> str:
        return self._once("instance profile", _PROFILE_NAME, None, self._create_profile)

    def _create_profile(self, name: str, _: None) -> str:
        iam = self._client("iam")
        made = iam.create_instance_profile(InstanceProfileName=name)
        return str(made["InstanceProfile"]["Arn"])

    def _register_job(self, name: str, wanted: tuple[JobResource, Mapping[str, str]]) -> str:
        job, tags = wanted
        logs = self._client("logs")
        with suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(
                logGroupName=job.container["logConfiguration"]["options"]["awslogs-group"]
            )
        made = self._client("batch").register_job_definition(
            jobDefinitionName=name,
            type="container",
            platformCapabilities=["EC2" if job.platform == "ec2" else "FARGATE"],
            containerProperties=dict(job.container),
            timeout={"attemptDurationSeconds": job.timeout},
            tags=dict(tags),
        )
        return str(made["jobDefinitionArn"])

    def _notify_failures(self, name: str, wanted: tuple[NoticeResource, str | None, Any]) -> str:
        """Create a rule that invokes a function for failed executions, and a dead-letter queue."""
        notices, kms_key, _ = wanted
        sqs, events = self._client("sqs"), self._client("events")
        attributes = {"Policy": notices.queue_policy}
        if kms_key is not None:
            attributes["KmsMasterKeyId"] = kms_key
        url = sqs.create_queue(QueueName=notices.queue, Attributes=attributes)["QueueUrl"]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        queue = found["Attributes"]["QueueArn"]
        functions = self._client("lambda")
        function = functions.get_function(FunctionName=notices.function)["Configuration"]
        functions.put_function_event_invoke_config(
            FunctionName=notices.function,
            MaximumRetryAttempts=0,
            DestinationConfig={"OnFailure": {"Destination": queue}},
        )
        rule = events.put_rule(Name=name, EventPattern=notices.pattern)
        with suppress(functions.exceptions.ResourceConflictException):
            functions.add_permission(
                FunctionName=notices.function,
                StatementId="notices",
                Action="lambda:InvokeFunction",
                Principal="events.amazonaws.com",
                SourceArn=rule["RuleArn"],
            )
        target = {
            "Id": "notices",
            "Arn": function["FunctionArn"],
            "DeadLetterConfig": {"Arn": queue},
        }
        events.put_targets(Rule=name, Targets=[target])
        return str(rule["RuleArn"])

    def _logging(self, resources: Resources) -> dict[str, Any]:
        if resources.log_level == "OFF":
            return {"level": "OFF"}
        region = self._client("stepfunctions").meta.region_name
        group = f"/aws/vendedlogs/states/{resources.name}"
        arn = f"arn:aws:logs:{region}:{ACCOUNT_ID}:log-group:{group}:*"
        return {
            "level": resources.log_level,
            "includeExecutionData": resources.log_data,
            "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": arn}}],
        }

    def _put_state_machine(self, name: str, request: Mapping[str, Any]) -> str:
        states = self._client("stepfunctions")
        known = self._arns.get(("state machine", name))
        if known is not None:
            states.update_state_machine(stateMachineArn=known, **request)
            return known
        return str(states.create_state_machine(name=name, **request)["stateMachineArn"])


def _document(statement: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _encryption(kms_key: str | None) -> dict[str, Any]:
    if kms_key is None:
        return {}
    own = {"type": "CUSTOMER_MANAGED_KMS_KEY", "kmsKeyId": kms_key}
    return {"encryptionConfiguration": own}
