"""A local AWS account for tests of deployed pipelines.

::

    from lokki_tf.testing import LocalAws

    with LocalAws() as aws:
        execution = aws.run(pipe, {"day": "2024-01-01"})
        assert aws.values(execution) == {"total": 42}

``LocalAws.run`` registers a pipeline's state machine, zips, layers, images, jobs and roles without
Terraform and executes it. ``LocalAws.deploy`` applies a synthesized folder with Terraform, and
``LocalAws.execute`` executes a deployed state machine. Neither needs Docker or an AWS account.
With pytest, the fixture ``local_aws`` provides one ``LocalAws`` for the whole session.

The parts:

1. ``local_aws`` is the public API. It uses ``register`` (for ``run``), ``terraform`` (for
   ``deploy``) and ``server_process``, which starts a child process.
2. ``server`` is the main function of the child process. It serves moto's web application on
   loopback; ``moto_gaps`` adds what moto does not implement. ``origins``, ``page``, ``control``,
   ``faults`` and ``turns`` wrap that application. ``persistence`` keeps the state in a folder.
3. ``account`` gives the following packages access to the account's services.
4. ``state_machines``, ``functions`` and ``jobs`` run state machines, Lambda functions and AWS
   Batch jobs.
5. ``images`` runs the container images of functions and jobs: in containers if a Docker API has
   the image, otherwise as processes from the image's folder (``LocalAws.register_image``).
6. ``iam`` evaluates policies, so that roles can do only what their policies allow
   (``LocalAws.iam_decisions``).

``command`` is the command ``lokki-tf local-aws``.

State machines that are written by hand, in JSONPath or JSONata, run as well:
``LocalAws.create_state_machine``. ``LocalAws.mock`` sets the responses of services that the local
AWS does not have.
"""

from lokki_tf.testing.errors import ExecutionNotFinished, LocalAwsError, TerraformFailed
from lokki_tf.testing.execution import Execution, TaskError
from lokki_tf.testing.iam.decisions import Decision, Right
from lokki_tf.testing.local_aws import LocalAws

__all__ = [
    "Decision",
    "Execution",
    "ExecutionNotFinished",
    "LocalAws",
    "LocalAwsError",
    "Right",
    "TaskError",
    "TerraformFailed",
]
