"""A local AWS, for the tests of pipelines as they are deployed.

::

    from lokki_tf.testing import LocalAws

    with LocalAws() as aws:
        execution = aws.run(pipe, {"day": "2024-01-01"})
        assert aws.values(execution) == {"total": 42}

``run`` registers a pipeline's state machine, zips, layers, images, jobs and roles, no Terraform;
``deploy`` applies a synthesized folder with real Terraform, and ``execute`` then runs what it made.
Both work on loopback, without Docker and without an account. It is moto's server, completed with
what moto lacks: see ``moto_gaps``.
Batch's jobs and functions that are images run in containers, where a Docker API has the image, and
else as processes from the folder that the image is made of: see ``LocalAws.register_image``.
Roles may do only what their policies allow: see ``iam``, ``LocalAws.iam_decisions``.
With pytest, the fixture ``local_aws`` is one for the whole session.
"""

from lokki_tf.testing.errors import ExecutionNotFinished, LocalAwsError, TerraformFailed
from lokki_tf.testing.execution import Execution
from lokki_tf.testing.iam.decisions import Decision, Right
from lokki_tf.testing.local_aws import LocalAws

__all__ = [
    "Decision",
    "Execution",
    "ExecutionNotFinished",
    "LocalAws",
    "LocalAwsError",
    "Right",
    "TerraformFailed",
]
