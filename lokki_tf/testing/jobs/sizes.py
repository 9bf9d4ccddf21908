"""Check a job definition for Fargate: sizes of CPU and memory, required fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MEMORY: dict[str, tuple[int, ...]] = {
    "0.25": (512, 1024, 2048),
    "0.5": tuple(range(1024, 4096 + 1, 1024)),
    "1": tuple(range(2048, 8192 + 1, 1024)),
    "2": tuple(range(4096, 16384 + 1, 1024)),
    "4": tuple(range(8192, 30720 + 1, 1024)),
    "8": tuple(range(16384, 61440 + 1, 4096)),
    "16": tuple(range(32768, 122880 + 1, 8192)),
}
"""The sizes of memory in MiB that are valid for each number of vCPUs."""


def check_fargate(container: Mapping[str, Any]) -> str | None:
    """Return an error message for container properties that are not valid on Fargate, or None.

    Args:
        container: The ``containerProperties`` of ``RegisterJobDefinition``.
    """
    if not container.get("executionRoleArn"):
        return "EXECUTION_ROLE_ARN must be set for Fargate jobs"
    found = {
        each["type"]: str(each["value"]) for each in container.get("resourceRequirements") or ()
    }
    if not {"VCPU", "MEMORY"} <= set(found):
        return "Resource requirements VCPU and MEMORY must be set for Fargate jobs"
    cpus, memory = found["VCPU"], found["MEMORY"]
    sizes = _MEMORY.get(cpus.removesuffix(".0"))
    if sizes is None or not memory.isdigit() or int(memory) not in sizes:
        return f"Fargate resource requirements ({cpus} vCPU, {memory} MiB) not valid."
    if container.get("privileged"):
        return "privileged is not applicable for Fargate"
    return None
