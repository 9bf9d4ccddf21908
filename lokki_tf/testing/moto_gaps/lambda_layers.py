"""Gap: moto knows the layers of its own account only, and stumbles over what is no layer's ARN."""

from __future__ import annotations

import re
from typing import Any

_ARN = re.compile(
    r"arn:[\w-]+:lambda:(?P<region>[\w-]+):(?P<account>\d{12}):layer:[\w-]+(?P<version>:\d+)?$"
)


def accept_foreign_layers() -> None:
    """Let functions have the layers of other accounts and regions, which are empty here.

    Such an ARN may even lack its version, as in the README of step-in-line, whose example is
    to run here: AWS refuses that, and ``check`` has warned of it. A layer of this account and
    region needs its version here as well.
    """
    from moto.awslambda.exceptions import InvalidParameterValueException
    from moto.awslambda.models import LambdaFunction

    original = LambdaFunction._get_layers_data

    def get_layers_data(self: Any, layers_versions_arns: list[str]) -> list[dict[str, Any]]:
        found: list[Any] = []
        for arn in layers_versions_arns:
            match = _ARN.match(arn)
            own = match and (match["region"], match["account"]) == (self.region, self.account_id)
            if match is None or (own and not match["version"]):
                raise InvalidParameterValueException(f"'{arn}' is no ARN of a version of a layer")
            if own:
                found += original(self, [arn])
            else:
                found.append({"Arn": arn, "CodeSize": 0})
        return found

    setattr(LambdaFunction, "_get_layers_data", get_layers_data)  # noqa: B010
