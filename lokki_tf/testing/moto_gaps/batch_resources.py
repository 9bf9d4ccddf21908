"""Store the resources of Batch that Terraform manages, as AWS does.

moto requires a service role, ignores some updates, and copies fields between revisions.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from moto.batch.exceptions import ClientException
from moto.batch.models import BatchBackend, ComputeEnvironment, JobDefinition

from lokki_tf.testing.jobs.sizes import check_fargate

# mypy must not check the classes of moto: overridden methods have other types of jobs, and classes
# of resources are abstract.
_Backend: Any = BatchBackend
_ComputeEnvironment: Any = ComputeEnvironment
_JobDefinition: Any = JobDefinition
_LINKED_ROLE = "role/aws-service-role/batch.amazonaws.com/AWSServiceRoleForBatch"


class Resources(_Backend):  # type: ignore[misc]
    """The backend of compute environments, job queues and job definitions."""

    # moto finds the URLs of a backend by the name of its module.
    __module__ = BatchBackend.__module__

    def create_compute_environment(
        self,
        compute_environment_name: str,
        _type: str,
        state: str | None,
        compute_resources: dict[str, Any] | None,
        service_role: str | None,
        tags: dict[str, str] | None = None,
    ) -> Any:
        """Create a compute environment, without starting instances for ``minvCpus``.

        Without a service role, it has the service-linked role of Batch.
        """
        if self.get_compute_environment_by_name(compute_environment_name) is not None:
            raise ClientException("Object already exists")
        if _type == "MANAGED":
            if compute_resources is None:
                raise ClientException("computeResources must be provided for a MANAGED environment")
            self._validate_compute_resources(compute_resources)
        made = _ComputeEnvironment(
            compute_environment_name,
            _type,
            state or "ENABLED",
            _with_defaults(compute_resources),
            service_role or f"arn:aws:iam::{self.account_id}:{_LINKED_ROLE}",
            account_id=self.account_id,
            region_name=self.region_name,
        )
        cluster = self.ecs_backend.create_cluster(f"{compute_environment_name}_Batch_{uuid4()}")
        made.set_ecs(cluster.arn, cluster.name)
        self._compute_environments[made.arn] = made
        if tags:
            self.tag_resource(made.arn, tags)
        return made

    def describe_compute_environments(
        self, environments: list[str] | None = None
    ) -> list[dict[str, Any]]:
        """Return compute environments by name or ARN."""
        found: list[dict[str, Any]] = super().describe_compute_environments(environments)
        return [{"containerOrchestrationType": "ECS", **each} for each in found]

    def update_compute_environment(
        self,
        compute_environment_name: str,
        state: str | None,
        compute_resources: dict[str, Any] | None,
        service_role: str | None,
    ) -> tuple[str, str]:
        """Update a compute environment, including its compute resources."""
        name, arn = super().update_compute_environment(
            compute_environment_name, state, compute_resources, service_role
        )
        environment = self._compute_environments[arn]
        if compute_resources and environment.compute_resources:
            environment.compute_resources = {**environment.compute_resources, **compute_resources}
        return name, arn

    def delete_compute_environment(self, compute_environment_name: str) -> None:
        """Delete a compute environment that is disabled and not used by a queue."""
        environment = self.get_compute_environment(compute_environment_name)
        if environment is None:
            return
        if environment.state != "DISABLED":
            raise ClientException("Cannot delete, resource is in ENABLED state")
        if any(environment in queue.environments for queue in self._job_queues.values()):
            raise ClientException("Cannot delete, found existing JobQueue relationship")
        super().delete_compute_environment(compute_environment_name)

    def delete_job_queue(self, queue_name: str) -> None:
        """Delete a queue that is disabled, and end its jobs."""
        queue = self.get_job_queue(queue_name)
        if queue is None:
            return
        if queue.state != "DISABLED":
            raise ClientException("Cannot delete, resource is in ENABLED state")
        for job in queue.jobs:
            job.terminate("The job queue was deleted")
        super().delete_job_queue(queue_name)

    def register_job_definition(self, def_name: str, **given: Any) -> Any:
        """Register a revision, without copying fields from earlier revisions."""
        before = self.get_job_definition_by_name(def_name)
        container = given["container_properties"]
        if container is not None and "FARGATE" in (given["platform_capabilities"] or ()):
            problem = check_fargate(container)
            if problem is not None:
                raise ClientException(f"Error executing request, Exception : {problem}")
        made = _JobDefinition(
            def_name,
            given["parameters"],
            given["_type"],
            container,
            node_properties=given["node_properties"],
            eks_properties=given["eks_properties"],
            tags=given["tags"] or {},
            retry_strategy=given["retry_strategy"],
            timeout=given["timeout"],
            backend=self,
            platform_capabilities=given["platform_capabilities"],
            propagate_tags=given["propagate_tags"],
            revision=before.revision if before is not None else 0,
        )
        self._job_definitions[made.arn] = made
        return made

    def get_job_definition_by_name(self, name: str) -> JobDefinition | None:
        """Return the latest revision of a job definition, active or not."""
        found = [each for each in self._job_definitions.values() if each.name == name]
        return max(found, key=lambda each: each.revision, default=None)

    def get_job_definition(self, identifier: str) -> JobDefinition | None:
        """Return a job definition by its name or ARN, each with or without a revision."""
        if identifier.startswith("arn:") and identifier not in self._job_definitions:
            identifier = identifier.rpartition("/")[2]
        name, colon, _ = identifier.partition(":")
        if colon or identifier.startswith("arn:"):
            found: JobDefinition | None = super().get_job_definition(identifier)
            return found
        active = [
            each
            for each in self._job_definitions.values()
            if each.name == name and each.status == "ACTIVE"
        ]
        return max(active, key=lambda each: each.revision, default=None)


def _with_defaults(resources: dict[str, Any] | None) -> dict[str, Any] | None:
    if resources is None or "FARGATE" in resources["type"]:
        return resources
    return {"allocationStrategy": "BEST_FIT", "desiredvCpus": resources["minvCpus"], **resources}
