"""``lokki-tf``, also ``python -m lokki_tf``: what belongs to no single pipeline."""

from __future__ import annotations

import click

from lokki_tf.errors import LokkiError
from lokki_tf.tool.completion import completion_command
from lokki_tf.tool.doctor import doctor_command
from lokki_tf.tool.init import init_command
from lokki_tf.tracebacks import print_error
from lokki_tf.version import __version__


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
@click.option("--region", default="us-east-1", show_default=True, help="The region.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="The port on 127.0.0.1. By default 4566, or the next one that is free.",
)
@click.option(
    "--persist",
    type=click.Path(file_okay=False),
    metavar="FOLDER",
    help="Keep all resources, executions and logs in a folder until the next start.",
)
def local_aws(region: str, port: int | None, persist: str | None) -> None:
    """Start an AWS on this computer, for trying out and for tests; Ctrl-C ends it.

    Prints the environment in which boto3, the AWS command line and Terraform use it, and
    the lines of lokki.toml with which the commands of a pipeline do. Its URL in a browser
    shows state machines, executions, functions, logs and buckets.
    """
    from lokki_tf.testing.command import serve

    serve(region, port, persist)


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
