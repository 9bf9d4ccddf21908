"""Parse the ``Resource`` of a Task state: a function's ARN or a service integration."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

FUNCTION_ARN = re.compile(r"arn:[\w-]+:lambda:[\w-]+:\d{12}:function:[\w-]+(:[\w$-]+)?$")
ACTIVITY_ARN = re.compile(r"arn:[\w-]+:states:[\w-]+:\d{12}:activity:[^\s]+$")
INTEGRATION = re.compile(
    r"arn:[\w-]+:states:[\w-]*:\d*:(?P<service>(?:aws-sdk:)?[\w-]+):(?P<action>\w+)"
    r"(?P<pattern>\.sync(?::2)?|\.waitForTaskToken)?$"
)

_SYNC, _SYNC_2, _TOKEN = ".sync", ".sync:2", ".waitForTaskToken"
_OPTIMIZED: dict[str, tuple[str, tuple[str, ...]]] = {
    "apigateway": ("invoke", (_TOKEN,)),
    "athena": (
        "startQueryExecution stopQueryExecution getQueryExecution getQueryResults",
        (_SYNC,),
    ),
    "batch": ("submitJob", (_SYNC,)),
    "bedrock": ("invokeModel createModelCustomizationJob", (_SYNC,)),
    "codebuild": (
        "startBuild stopBuild batchDeleteBuilds batchGetReports startBuildBatch stopBuildBatch "
        "retryBuildBatch deleteBuildBatch",
        (_SYNC,),
    ),
    "databrew": ("startJobRun", (_SYNC,)),
    "dynamodb": ("getItem putItem updateItem deleteItem", ()),
    "ecs": ("runTask", (_SYNC, _TOKEN)),
    "eks": (
        "createCluster deleteCluster createNodegroup deleteNodegroup createFargateProfile "
        "deleteFargateProfile call runJob",
        (_SYNC,),
    ),
    "elasticmapreduce": (
        "createCluster terminateCluster addStep cancelStep setClusterTerminationProtection "
        "modifyInstanceFleetByName modifyInstanceGroupByName",
        (_SYNC,),
    ),
    "emr-containers": ("createVirtualCluster deleteVirtualCluster startJobRun", (_SYNC,)),
    "emr-serverless": (
        "createApplication startApplication stopApplication deleteApplication startJobRun "
        "cancelJobRun",
        (_SYNC,),
    ),
    "events": ("putEvents", (_TOKEN,)),
    "glue": ("startJobRun", (_SYNC,)),
    "http": ("invoke", ()),
    "lambda": ("invoke", (_TOKEN,)),
    "mediaconvert": ("createJob", (_SYNC,)),
    "sagemaker": (
        "createEndpoint createEndpointConfig createHyperParameterTuningJob createLabelingJob "
        "createModel createProcessingJob createTrainingJob createTransformJob updateEndpoint",
        (_SYNC,),
    ),
    "sns": ("publish", (_TOKEN,)),
    "sqs": ("sendMessage", (_TOKEN,)),
    "states": ("startExecution", (_SYNC, _SYNC_2, _TOKEN)),
}
"""By service: the actions of its optimized integration, and the patterns besides request response.

Source: Step Functions Developer Guide, "Integrating optimized services with Step Functions".
"""


@dataclass(frozen=True)
class Integration:
    """A parsed ``Resource``.

    Args:
        service: The service, such as ``lambda``, ``batch`` or ``aws-sdk:s3``.
        action: The action of the service, such as ``submitJob``.
        pattern: The integration pattern: empty, ``.sync``, ``.sync:2`` or ``.waitForTaskToken``.
    """

    service: str
    action: str
    pattern: str


@lru_cache(maxsize=1024)
def parse_resource(resource: str) -> Integration | None:
    """Parse the ARN of a service integration; return None if it is another ARN."""
    match = INTEGRATION.match(resource)
    if match is None:
        return None
    return Integration(match["service"], match["action"], match["pattern"] or "")


def is_known(resource: str) -> bool:
    """Whether a text is the ARN of a function, an activity or an integration that AWS offers."""
    if FUNCTION_ARN.match(resource) or ACTIVITY_ARN.match(resource):
        return True
    integration = parse_resource(resource)
    if integration is None:
        return False
    if integration.service.startswith("aws-sdk:"):
        return integration.pattern in ("", _TOKEN)
    actions, patterns = _OPTIMIZED.get(integration.service, ("", ()))
    return integration.action in actions.split() and integration.pattern in ("", *patterns)
