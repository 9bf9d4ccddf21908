"""A local AWS, for the tests of pipelines as they are deployed.

::

    from lokki_tf.testing import LocalAws

    with LocalAws() as aws:
        outputs = aws.deploy("terraform-out/stacks/daily")
        execution = aws.execute(outputs["state_machine_arn"], {"day": "2024-01-01"})
        assert execution.output == 42

Real Terraform deploys to it and real executions run, on loopback, without Docker and without an
account. It is moto's server, completed with what moto lacks: see ``moto_gaps``.
Batch's jobs and functions that are images run in containers, where a Docker API has the image, and
else as processes from the folder that the image is made of: see ``LocalAws.register_image``.
With pytest, the fixture ``local_aws`` is one for the whole session.
"""

from lokki_tf.testing.errors import ExecutionNotFinished, LocalAwsError, TerraformFailed
from lokki_tf.testing.execution import Execution
from lokki_tf.testing.local_aws import LocalAws

__all__ = ["Execution", "ExecutionNotFinished", "LocalAws", "LocalAwsError", "TerraformFailed"]
