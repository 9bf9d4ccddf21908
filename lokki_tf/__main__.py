"""``python -m lokki_tf``: what belongs to no single pipeline."""

from __future__ import annotations

import signal

import click

from lokki_tf.errors import LokkiError
from lokki_tf.version import __version__

_SETTINGS = """
# For the commands of a pipeline, write into lokki.toml beside it:
#
# [aws]
# endpoint = "{url}"
# region = "{region}"
#
# and then: python pipeline.py deploy
# running until Ctrl-C"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="lokki_tf %(version)s")
def commands() -> None:
    """Plain Python functions become AWS Step Functions pipelines, as Terraform.

    A pipeline's own commands belong to its script: python pipeline.py --help
    """


@commands.command("local-aws")
@click.option("--region", default="us-east-1", show_default=True)
def local_aws(region: str) -> None:
    """Start an AWS on this computer, for trying out and for tests; Ctrl-C ends it.

    Prints the environment in which boto3, the AWS command line and Terraform use it, and
    the lines of lokki.toml with which the commands of a pipeline do.
    """
    from lokki_tf.testing import LocalAws

    try:
        with LocalAws(region=region) as aws:
            for name, value in aws.environment.items():
                click.echo(f"export {name}={value}")
            click.echo(_SETTINGS.format(url=aws.endpoint_url, region=region), err=True)
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
    except KeyboardInterrupt:
        return
    except LokkiError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    commands(prog_name="python -m lokki_tf")
