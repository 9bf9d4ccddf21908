"""``lokki-tf``, also ``python -m lokki_tf``: what belongs to no single pipeline."""

from __future__ import annotations

import signal

import click

from lokki_tf.errors import LokkiError
from lokki_tf.tool.completion import completion_command
from lokki_tf.tool.doctor import doctor_command
from lokki_tf.tool.init import init_command
from lokki_tf.tracebacks import print_error
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


commands.add_command(init_command)
commands.add_command(doctor_command)
commands.add_command(completion_command)


@commands.command("version")
def version() -> None:
    """Print the version of lokki_tf."""
    click.echo(f"lokki_tf {__version__}")


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


def main() -> None:
    """Run a command of ``lokki-tf``.

    Raises:
        SystemExit: Always, with the exit code: 1 if it failed, 2 for wrong use, 130 after Ctrl-C.
    """
    try:
        commands()
    except LokkiError as error:
        from lokki_tf.cli.commands import status_of

        print_error(error)
        raise SystemExit(status_of(error)) from None


if __name__ == "__main__":
    main()
