"""Accept the layers of other accounts, and refuse values that are not ARNs of layers.

moto refuses layers of other accounts, and fails with an internal error for invalid ARNs.
"""

from __future__ import annotations

import re
from typing import Any

_ARN = re.compile(
    r"arn:[\w-]+:lambda:(?P<region>[\w-]+):(?P<account>\d{12}):layer:[\w-]+(?P<version>:\d+)?$"
)


def accept_foreign_layers() -> None:
    """Let functions have layers of other accounts and regions, which are empty here.

    The ARN of such a layer may lack the version, because the example in the README of step-in-line
    must run here. AWS refuses it, and ``check`` reports a warning. The ARN of a layer of this
    account and region must have a version.
    """
    from moto.awslambda.exceptions import InvalidParameterValueException
    from moto.awslambda.models import LambdaFunction

    # moto calls this method for each list of layers, and has no public one to replace.
    original = LambdaFunction._get_layers_data

    def get_layers_data(self: Any, layers_versions_arns: list[str]) -> list[dict[str, Any]]:
        found: list[Any] = []
        for arn in layers_versions_arns:
            match = _ARN.match(arn)
            own = match and (match["region"], match["account"]) == (self.region, self.account_id)
            if match is None or (own and not match["version"]):
                message = f"A layer must be the ARN of a layer version, got '{arn}'"
                raise InvalidParameterValueException(message)
            if own:
                found += original(self, [arn])
            else:
                found.append({"Arn": arn, "CodeSize": 0})
        return found

    setattr(LambdaFunction, "_get_layers_data", get_layers_data)  # noqa: B010
