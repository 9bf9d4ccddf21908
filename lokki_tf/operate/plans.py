"""Summaries of Terraform plans, to be read before they are confirmed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_KINDS = {
    "aws_cloudwatch_event_rule": "rule",
    "aws_cloudwatch_event_target": "target of a rule",
    "aws_cloudwatch_dashboard": "dashboard",
    "aws_cloudwatch_log_group": "log group",
    "aws_cloudwatch_metric_alarm": "alarm",
    "aws_iam_role": "role",
    "aws_iam_role_policy": "policy",
    "aws_lambda_function": "Lambda function",
    "aws_lambda_layer_version": "Lambda layer",
    "aws_s3_bucket": "bucket",
    "aws_s3_object": "object in the bucket",
    "aws_scheduler_schedule": "schedule",
    "aws_scheduler_schedule_group": "schedule group",
    "aws_sfn_state_machine": "state machine",
}
_NAMES = (
    *("function_name", "layer_name", "alarm_name", "dashboard_name", "name", "key", "bucket"),
    "id",
)
_FIELDS = {
    "source_code_hash": "code",
    "source_hash": "content",
    "definition": "states",
    "memory_size": "memory",
    "environment": "environment variables",
}
_NOISE = {
    "tags_all",
    "etag",
    "version_id",
    "last_modified",
    "qualified_arn",
    "version",
    "revision_id",
}
_SIGNS = {"create": "+", "update": "~", "replace": "±", "delete": "-"}
_WORDS = {
    "create": "to make",
    "update": "to change",
    "replace": "to replace",
    "delete": "to destroy",
}
_SETTINGS = {
    "lifecycle configuration": "lifecycle rules",
    "server side encryption configuration": "encryption",
}
_OF_BUCKET = ("object in the bucket", "setting of the bucket")
_FIRST = ("state machine", "Lambda function", "Lambda layer", "schedule", "bucket")


@dataclass(frozen=True, slots=True)
class Change:
    """A plan's change of one resource.

    Args:
        action: ``create``, ``update``, ``replace`` or ``delete``.
        type: Terraform's type of the resource.
        name: Its name in AWS, or else in Terraform.
        fields: The attributes that change, if it is updated.
        before: Its present attributes.
        address: Its address in Terraform.
    """

    action: str
    type: str
    name: str
    fields: tuple[str, ...]
    before: Mapping[str, Any]
    address: str = ""

    @property
    def kind(self) -> str:
        """The kind of resource, in words; parts of the bucket are called settings of it."""
        if self.type in _KINDS:
            return _KINDS[self.type]
        if self.type.startswith("aws_s3_bucket_"):
            return "setting of the bucket"
        return self.type.removeprefix("aws_").replace("_", " ")

    @property
    def in_words(self) -> str:
        """The resource in words: ``Lambda function daily-load``, ``versioning of the bucket``."""
        if self.type.startswith("aws_s3_bucket_"):
            setting = self.type.removeprefix("aws_s3_bucket_").replace("_", " ")
            return f"{_SETTINGS.get(setting, setting)} of the bucket"
        if self.kind == "object in the bucket":
            return f"object {self.name} in the bucket"
        return f"{self.kind} {self.name}"


def changes(plan: Mapping[str, Any]) -> list[Change]:
    """Return a plan's changes.

    Args:
        plan: The JSON of ``terraform show -json``.
    """
    found = []
    for one in plan.get("resource_changes", ()):
        action = _action(one["change"]["actions"])
        if action is None or one.get("mode") == "data":
            continue
        before, after = one["change"].get("before") or {}, one["change"].get("after") or {}
        unknown = one["change"].get("after_unknown") or {}
        fields = _changed(before, after, unknown) if action == "update" else ()
        known = after or before
        name = next((str(known[key]) for key in _NAMES if known.get(key)), one["name"])
        found.append(Change(action, one["type"], name, fields, before, one["address"]))
    return found


def summary(found: Sequence[Change]) -> list[str]:
    """Return changes as lines: resources that are created or destroyed by kind, others one a line.

    Args:
        found: The result of :func:`changes`.
    """
    lines = []
    for action in _SIGNS:
        of_action = [one for one in found if one.action == action]
        kinds = dict.fromkeys(one.kind for one in of_action)
        for kind in sorted(kinds, key=lambda kind: _FIRST.index(kind) if kind in _FIRST else 9):
            alike = [one for one in of_action if one.kind == kind]
            if action == "update":
                lines += [f"  ~ {kind} {one.name}: {', '.join(one.fields)}" for one in alike]
            else:
                lines.append(f"  {_SIGNS[action]} {_together(kind, [one.name for one in alike])}")
    counts = [(sum(one.action == action for one in found), _WORDS[action]) for action in _SIGNS]
    return [*lines, ", ".join(f"{count} {words}" for count, words in counts if count)]


def _together(kind: str, names: Sequence[str]) -> str:
    if len(names) == 1:
        return kind if kind.startswith("setting") else f"{kind} {names[0]}"
    word, _, rest = kind.partition(" ") if kind in _OF_BUCKET else (kind, "", "")
    plural = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    several = f"{len(names)} {plural} {rest}".strip()
    return f"{several}: {', '.join(names)}" if kind in _FIRST else several


def _action(actions: Sequence[str]) -> str | None:
    if set(actions) == {"create", "delete"}:
        return "replace"
    return actions[0] if actions[0] in _SIGNS else None


def _changed(
    before: Mapping[str, Any], after: Mapping[str, Any], unknown: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return the attributes that an update changes, also if the new value is not known yet."""
    names = [name for name in after if before.get(name) != after[name]]
    names += [name for name, is_so in unknown.items() if is_so is True]
    changed = [name for name in dict.fromkeys(names) if name not in _NOISE]
    return tuple(_FIELDS.get(name, name.replace("_", " ")) for name in changed) or ("details",)
