"""Let :class:`Access` decide on all requests to moto.

moto ignores resources and conditions of policies, and by default allows all requests. The methods
in which moto can check permissions are replaced. The stages: find the principal by the access key
of the request, map the request to actions and resources, call ``Access.require`` for each.
Requests with the account's own keys come from the *operator*, who has all permissions except those
denied by bucket policies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, unquote

from lokki_tf.testing.account import Account
from lokki_tf.testing.iam.access import ROLE_ID, TRUST, Access, AccessDenied, Role
from lokki_tf.testing.iam.policies import Policy, Principal
from lokki_tf.testing.iam.requests import ArnScope, needed
from lokki_tf.testing.moto_gaps.state_machine_keys import key_of
from lokki_tf.testing.settings import ACCOUNT_ID

_CREDENTIAL = re.compile(r"Credential=(?P<key>[^/]+)/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/")
_OPERATOR = Principal(f"arn:aws:iam::{ACCOUNT_ID}:role/operator", f"arn:aws:iam::{ACCOUNT_ID}:root")
_EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def control_access(account: Account) -> None:
    """Replace moto's methods that check permissions."""
    from moto.core.authorization import ActionAuthenticatorMixin
    from moto.iam.access_control import PermissionResult
    from moto.s3.models import FakeBucket
    from moto.sts.models import STSBackend

    access = account.access
    identity = STSBackend.get_caller_identity

    def get_caller_identity(self: Any, access_key_id: str, region: str) -> tuple[str, str, str]:
        found = access.principal(access_key_id)
        if found is None:
            known: tuple[str, str, str] = identity(self, access_key_id, region)
            return known
        return f"{ROLE_ID}:{found.session.rpartition('/')[2]}", found.session, ACCOUNT_ID

    def normal(self: Any, resource: str = "*") -> None:
        found = who(access, self)
        if found is not None:
            _check(access, self, *found)

    def storage(self: Any, bucket_name: str | None = None, key_name: str | None = None) -> None:
        found = who(access, self)
        if found is not None:
            _check_storage(access, self, found[0], bucket_name, key_name)

    def get_permission(self: Any, action: str, resource: str) -> Any:
        return PermissionResult.NEUTRAL  # Access has decided already, including conditions

    for owner, name, replacement in (
        (ActionAuthenticatorMixin, "_authenticate_and_authorize_normal_action", normal),
        (ActionAuthenticatorMixin, "_authenticate_and_authorize_s3_action", storage),
        (FakeBucket, "get_permission", get_permission),
        (STSBackend, "get_caller_identity", get_caller_identity),
    ):
        setattr(owner, name, replacement)


class MotoDirectory:
    """Returns roles and policies from moto's backends."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}
        """The ids of roles by ARN. A role that was deleted and made again has another one."""

    def role(self, arn: str) -> Role | None:
        """Return the role with this ARN; ``None`` if it does not exist."""
        if arn == _OPERATOR.role:
            return Role(arn, (Policy("operator", _document(_EVERYTHING)),), Policy(TRUST, "{}"))
        roles = self._backend().roles
        found = roles.get(self._ids.get(arn))
        if found is None:
            found = next((one for one in roles.copy().values() if one.arn == arn), None)
            if found is None:
                return None
            self._ids[arn] = found.id
        return self._role(found)

    def roles(self) -> Iterable[Role]:
        """Return all roles."""
        return [self._role(one) for one in self._backend().roles.copy().values()]

    def resource_policy(self, action: str, resource: str) -> Policy | None:
        """Return the policy of an action's resource; ``None`` if the resource has no policy."""
        find = _RESOURCE_POLICIES.get(action.partition(":")[0])
        text = find(resource) if find and resource.startswith("arn:") else None
        return None if not text else Policy(resource, text, "resource")

    def tags(self, resource: str) -> Mapping[str, str]:
        """Return the tags of a function or job definition."""
        _, _, service, region, account, *name = [*resource.split(":"), *[""] * 5]
        found: Mapping[str, str] = {}
        if service == "lambda":
            function = _function(resource)
            found = function.tags if function is not None else {}
        elif service == "batch" and name[0].startswith("job-definition/"):
            from moto.batch.models import batch_backends

            backend = batch_backends[account][region]
            known = ":".join(filter(None, name)).partition("/")[2]
            definition = backend.get_job_definition(known)
            if definition is not None:
                found = backend.list_tags_for_resource(definition.arn)
        return found

    def _role(self, found: Any) -> Role:
        attached = (_managed(one) for one in found.managed_policies.copy().values())
        boundary = found.permissions_boundary_arn
        return Role(
            found.arn,
            (*(Policy(name, text) for name, text in found.policies.copy().items()), *attached),
            Policy(TRUST, found.assume_role_policy_document or "{}", "resource"),
            self._boundary(boundary) if boundary else None,
            _tags(found.tags),
        )

    def _boundary(self, arn: str) -> Policy | None:
        found = self._backend().managed_policies.get(arn)
        # A boundary that was not created in this account is unknown and is ignored.
        name = arn.rpartition("/")[2]
        return None if found is None else Policy(name, _managed(found).text, "boundary")

    @staticmethod
    def _backend() -> Any:
        from moto.iam.models import iam_backends

        return iam_backends[ACCOUNT_ID]["aws"]


def _tags(tags: Any) -> tuple[tuple[str, str], ...]:
    listed = tags.values() if isinstance(tags, Mapping) else tags or ()
    return tuple((one["Key"], one["Value"]) for one in listed)


def _managed(found: Any) -> Policy:
    document = next(one.document for one in found.versions if one.is_default)
    return Policy(found.name, document if isinstance(document, str) else json.dumps(document))


@lru_cache(maxsize=8)
def _text_of(statements: str) -> str:
    return f'{{"Version": "2012-10-17", "Statement": {statements}}}'


def _document(*statements: Mapping[str, Any]) -> str:
    return _text_of(json.dumps(statements))


def _bucket_policy(arn: str) -> str | None:
    from moto.s3.models import s3_backends

    bucket = s3_backends[ACCOUNT_ID]["aws"].buckets.get(arn.split(":::", 1)[-1].partition("/")[0])
    return bucket.policy.decode() if bucket is not None and bucket.policy else None


def _key_policy(arn: str) -> str | None:
    from moto.kms.models import kms_backends

    region = arn.split(":")[3]
    key = kms_backends[ACCOUNT_ID][region].keys.get(arn.rpartition("/")[2])
    return None if key is None else str(key.policy)


def _topic_policy(arn: str) -> str | None:
    from moto.sns.models import sns_backends

    topic = sns_backends[ACCOUNT_ID][arn.split(":")[3]].topics.get(arn)
    return None if topic is None else str(topic.policy)


def _queue_policy(arn: str) -> str | None:
    from moto.sqs.models import sqs_backends

    _, _, _, region, account, name = arn.split(":")
    found = sqs_backends[account][region].queues.get(name)
    return None if found is None or not found.policy else str(found.policy)


def _trust_policy(arn: str) -> str | None:
    found = MotoDirectory().role(arn)
    return None if found is None else found.trust.text


def _function(arn: str) -> Any:
    from moto.awslambda.models import lambda_backends

    _, _, _, region, account, _, name, *_ = arn.split(":")
    try:
        return lambda_backends[account][region].get_function(name)
    except Exception:  # the function does not exist
        return None


def _function_policy(arn: str) -> str | None:
    policy = getattr(_function(arn), "policy", None)
    return _document(*policy.statements) if policy is not None and policy.statements else None


_RESOURCE_POLICIES: dict[str, Callable[[str], str | None]] = {
    "kms": _key_policy,
    "lambda": _function_policy,
    "s3": _bucket_policy,
    "sns": _topic_policy,
    "sqs": _queue_policy,
    "sts": _trust_policy,
}
_WITHOUT_POLICIES = ("dynamodb", "logs", "secretsmanager", "ssm", "states")
"""Services whose requests change neither roles nor the policies and tags that decisions read."""
_READS_EXECUTIONS = ("states:DescribeExecution", "states:GetExecutionHistory")
_BY_RESOURCE_ALONE = ("kms", "sts")
"""Services where the resource's policy must allow a request or delegate to the account."""


def may_change_policies(environ: Mapping[str, Any]) -> bool:
    """Return whether a request may change what decisions depend on.

    Args:
        environ: The request's WSGI environment.
    """
    match = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    service = match["service"] if match else ""
    if service == "s3":  # requests for objects have the path /bucket/key
        is_object = environ.get("PATH_INFO", "").strip("/").count("/") > 0
        return not is_object or "policy" in environ.get("QUERY_STRING", "")
    return service not in _WITHOUT_POLICIES


def who(access: Access, response: Any) -> tuple[Principal, str] | None:
    """Return the principal and the service of a request; ``None`` if no decision is required."""
    if not access.enforced:
        return None
    signed = response.headers.get("Authorization", "")
    match = _CREDENTIAL.search(signed)
    if match is None:  # the signature of a presigned URL is in the query
        scope = parse_qs(response.parsed_url.query).get("X-Amz-Credential", [""])[0]
        match = _CREDENTIAL.search(f"Credential={unquote(scope)}")
    if match is None:
        return None
    key = match["key"]
    return access.principal(key) or _assumed(key) or _OPERATOR, match["service"]


def _assumed(key: str) -> Principal | None:
    """Return the session of a role that was assumed by ``AssumeRole``."""
    from moto.sts.models import sts_backends

    found = sts_backends[ACCOUNT_ID]["aws"].get_assumed_role_from_access_key(key)
    return None if found is None else Principal(found.role_arn, found.arn)


def _check(access: Access, response: Any, principal: Principal, service: str) -> None:
    if principal is _OPERATOR:
        return
    operation = _operation(response)
    scope = ArnScope(response.region, ACCOUNT_ID)
    given = _parameters(response)
    for action, resource in needed(service, operation, given, scope):
        access.require(
            principal,
            action,
            _known(action, resource),
            {"aws:requestedregion": response.region},
            by_resource_alone=action.partition(":")[0] in _BY_RESOURCE_ALONE,
        )
        if action in ("sns:Publish", "sqs:SendMessage"):
            _check_message_key(access, principal, str(resource))
        if action in ("secretsmanager:GetSecretValue", "ssm:GetParameter"):
            _check_secret_key(access, principal, str(_known(action, resource)))
        if action in _READS_EXECUTIONS and given.get("includedData") != "METADATA_ONLY":
            _check_execution_key(access, principal, str(resource))


def _check_execution_key(access: Access, principal: Principal, execution: str) -> None:
    """Decide on the use of the key that encrypts the executions of a state machine.

    Source: Step Functions Developer Guide, "Data at rest encryption", the section about API
    callers; requests with ``includedData=METADATA_ONLY`` require no key.
    """
    from moto.stepfunctions.models import stepfunctions_backends

    region = execution.split(":")[3]
    arn = execution.replace(":execution:", ":stateMachine:").rpartition(":")[0]
    state_machines = stepfunctions_backends[ACCOUNT_ID][region].state_machines
    state_machine: Any = next(
        (one for one in list(state_machines) if one.arn == arn.partition("/")[0]), None
    )
    key = None if state_machine is None else key_of(state_machine)
    if key is not None:
        context = {"kms:EncryptionContext:aws:states:stateMachineArn": arn}
        access.require(principal, "kms:Decrypt", key, context, by_resource_alone=True)


def _check_secret_key(access: Access, principal: Principal, arn: str) -> None:
    """Decide on the use of the key that encrypts a secret, or a parameter.

    Sources: AWS Secrets Manager User Guide, "Secret encryption and decryption"; AWS Systems Manager
    User Guide, "AWS KMS encryption for AWS Systems Manager Parameter Store SecureString
    parameters".
    """
    from moto.secretsmanager.models import secretsmanager_backends
    from moto.ssm.models import ssm_backends

    _, _, service, region, account, name = arn.split(":", 5)
    found: Any
    if service == "ssm":
        parameters, own = ssm_backends[account][region], name.removeprefix("parameter")
        found = parameters.get_parameter(own) or parameters.get_parameter(own.removeprefix("/"))
        key, named = getattr(found, "keyid", None), "PARAMETER_ARN"
    else:
        secrets = secretsmanager_backends[account][region].secrets
        found = next((one for one in secrets.values() if one.arn == arn), None)
        key, named = getattr(found, "kms_key_id", None), "SecretARN"
    if key and key.startswith("arn:"):  # AWS managed keys need no permission
        context = {
            "kms:ViaService": f"{service}.{region}.amazonaws.com",
            f"kms:EncryptionContext:{named}": arn,
        }
        access.require(principal, "kms:Decrypt", key, context, by_resource_alone=True)


def _check_message_key(access: Access, principal: Principal, arn: str) -> None:
    """Decide on the use of the key that encrypts the messages of a topic or queue.

    Sources: SNS Developer Guide, "Managing Amazon SNS encryption keys and costs"; SQS Developer
    Guide, "Key management".
    """
    from moto.sns.models import sns_backends
    from moto.sqs.models import sqs_backends

    _, _, service, region, account, name, *_ = [*arn.split(":"), *[""] * 6]
    found: Any = None
    if service == "sns":
        found = sns_backends[account][region].topics.get(arn)
    elif service == "sqs":
        found = sqs_backends[account][region].queues.get(name)
    key = getattr(found, "kms_master_key_id", None)
    if not key or not key.startswith("arn:"):
        return
    named = {"sns": "aws:sns:topicArn", "sqs": "aws:sqs:arn"}[service]
    context = {
        "kms:ViaService": f"{service}.{region}.amazonaws.com",
        f"kms:EncryptionContext:{named}": arn,
    }
    for action in ("kms:GenerateDataKey", "kms:Decrypt"):
        access.require(principal, action, key, context, by_resource_alone=True)


def _operation(response: Any) -> str:
    """Return the AWS name of a request's operation, which moto has in lower case for some."""
    name = str(response._get_action())  # moto has no public name for it
    if not name.islower():
        return name
    return _operations(response.boto3_service_name).get(name, name)


@lru_cache(maxsize=64)
def _operations(service: str) -> Mapping[str, str]:
    from moto.core.utils import get_service_model

    return {name.lower(): name for name in get_service_model(service).operation_names}


def _parameters(response: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if response.automated_parameter_parsing:
        found = dict(response.params)
    else:
        try:
            body = json.loads(response.body)
            found = body if isinstance(body, dict) else {}
        except ValueError:
            found = dict(response._get_params())  # moto has no public name for them
    return {**found, **(response.uri_match or {})}


def _known(action: str, resource: str | None) -> str | None:
    """Return the full ARN of a secret or a KMS key, which a request can name in short forms."""
    if action.startswith("secretsmanager:") and resource is not None and ":secret:" in resource:
        from moto.secretsmanager.models import secretsmanager_backends

        secrets = secretsmanager_backends[ACCOUNT_ID][resource.split(":")[3]].secrets
        found = secrets.get(resource.split(":secret:", 1)[-1])
        return resource if found is None else str(found.arn)
    if action.startswith("kms:") and resource is not None and ":key/" in resource:
        from moto.kms.models import kms_backends

        backend = kms_backends[ACCOUNT_ID][resource.split(":")[3]]
        key = resource.partition(":key/")[2]
        if key.startswith("alias/"):
            return resource.replace(key, str(backend.get_key_id_from_alias(key) or key))
    return resource


def _check_storage(
    access: Access, response: Any, principal: Principal, bucket: str | None, key: str | None
) -> None:
    if principal is _OPERATOR and (bucket is None or not _bucket_policy(bucket)):
        return
    # Of S3 this is the name of the permission; moto has no public name for it.
    action, headers = f"s3:{response._get_action()}", response.headers
    arn = f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket or '*'}"
    if action == "s3:HeadBucket":
        action = "s3:ListBucket"
    given = {
        f"s3:{name}": response.querystring[name][0]
        for name in ("prefix", "delimiter", "max-keys")
        if name in response.querystring
    }
    for name in ("x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id"):
        if name in headers:
            given[f"s3:{name}"] = headers[name]
    if key is None and action == "s3:DeleteObject":
        _check_deletion(access, response, principal, str(bucket))
        return
    access.require(principal, action, "*" if bucket is None else arn, given)
    source = headers.get("x-amz-copy-source")
    if source and key:
        name = unquote(source).partition("?")[0].lstrip("/")
        from_bucket, _, from_key = name.partition("/")
        access.require(principal, "s3:GetObject", f"arn:aws:s3:::{name}")
        _check_key(access, principal, "s3:GetObject", from_bucket, from_key)
    if key and bucket and response.method != "HEAD" and principal is not _OPERATOR:
        _check_key(access, principal, action, bucket, key, headers)
        if action == "s3:PutObject" and {"uploads", "uploadId"} & response.querystring.keys():
            # Source: Amazon S3 User Guide, "Multipart upload and permissions".
            _check_key(access, principal, action, bucket, key, headers, "kms:Decrypt")


def _check_deletion(access: Access, response: Any, principal: Principal, bucket: str) -> None:
    from moto.s3.exceptions import BucketAccessDeniedError

    body = response.body if isinstance(response.body, str) else response.body.decode()
    for key in re.findall(r"<Key>(.*?)</Key>", body, re.DOTALL):
        try:
            access.require(principal, "s3:DeleteObject", f"arn:aws:s3:::{bucket}/{key}")
        except AccessDenied:
            raise BucketAccessDeniedError(bucket) from None


def _check_key(
    access: Access,
    principal: Principal,
    action: str,
    bucket: str,
    key: str,
    headers: Mapping[str, str] | None = None,
    kms_action: str | None = None,
) -> None:
    """Decide on the use of the KMS key that encrypts an object, by the principal of the request.

    Source: Amazon S3 User Guide, "Using server-side encryption with AWS KMS keys" (permissions)
    and "Reducing the cost of SSE-KMS with Amazon S3 Bucket Keys" (encryption context).
    """
    for usual, kms_key, context in _key_uses(action, bucket, key, headers or {}):
        region = kms_key.split(":")[3]
        more = {
            "kms:ViaService": f"s3.{region}.amazonaws.com",
            "kms:EncryptionContext:aws:s3:arn": context,
        }
        access.require(principal, kms_action or usual, kms_key, more, by_resource_alone=True)


def _key_uses(
    action: str, bucket: str, key: str, headers: Mapping[str, str]
) -> Iterator[tuple[str, str, str]]:
    from moto.s3.models import s3_backends

    found = s3_backends[ACCOUNT_ID]["aws"].buckets.get(bucket)
    if found is None:
        return
    if action == "s3:PutObject":
        rule = (found.encryption or {}).get("Rule", {})
        default = rule.get("ApplyServerSideEncryptionByDefault", {})
        name = headers.get("x-amz-server-side-encryption-aws-kms-key-id")
        kms_key = name or default.get("KMSMasterKeyID")
        with_bucket_key = str(rule.get("BucketKeyEnabled", "")).lower() == "true"
        kms_action = "kms:GenerateDataKey"
    elif action in ("s3:GetObject", "s3:GetObjectVersion"):
        stored = found.keys.get(key)
        kms_key = stored.kms_key_id if stored is not None else None
        with_bucket_key = str(getattr(stored, "bucket_key_enabled", "")).lower() == "true"
        kms_action = "kms:Decrypt"
    else:
        return
    if kms_key and kms_key.startswith("arn:"):  # AWS managed keys need no permission
        arn = f"arn:aws:s3:::{bucket}"
        yield kms_action, kms_key, arn if with_bucket_key else f"{arn}/{key}"
