"""The AWS provider as a process that serves many commands of Terraform.

A command needs some seconds of processor time to start the provider, which then builds the schema
of more than a thousand resources, and to read that schema. A provider that already runs saves the
start. Where Node is installed, ``provider_schema.mjs`` is between Terraform and the provider: it
asks for the schema once, and answers with the types of resources that are named in the files.

Source: HashiCorp's documentation of provider development, "Debugging providers": a provider that is
started with ``-debug`` prints the value of ``TF_REATTACH_PROVIDERS``, with which Terraform connects
to it and does not end it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lokki_tf.errors import MissingToolError
from lokki_tf.node import find_node

VARIABLE = "TF_REATTACH_PROVIDERS"

# The provider ends with this process, even if this process is killed; the guard with the provider.
_GUARD = """
import os, signal, subprocess, sys, threading
provider = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
threading.Thread(target=lambda: os._exit(provider.wait()), daemon=True).start()
sys.stdin.read()
provider.send_signal(signal.SIGINT if sys.platform != "win32" else signal.SIGTERM)
try:
    provider.wait(5)
except subprocess.TimeoutExpired:
    provider.kill()
"""
# Terraform's own environment may limit the memory of programs or turn collection off, which is for
# programs that end soon: this one would grow to the limit. It needs 300 MB.
_COLLECTION = {"GOGC": "200", "GOMEMLIMIT": "off"}
_SCHEMA_PROGRAM = Path(__file__).with_name("provider_schema.mjs")
_PRINTED = re.compile(rf"{VARIABLE}='(.+)'")


class ProviderProcess:
    """A running provider.

    All commands that connect to it share its working directory, its environment and its settings.

    Args:
        program: The provider's program.
        folder: The folder of the configuration, whose relative paths it reads.
        environment: All of its environment variables.
        state: A folder with the state, if it is not in the configuration's.
    """

    environment: Mapping[str, str]
    """The environment variables with which Terraform connects to it; empty if it does not run."""

    def __init__(
        self,
        program: Path,
        folder: Path,
        environment: Mapping[str, str],
        state: Path | None = None,
    ) -> None:
        # The provider cannot be configured twice with a bundle of certificates, and a server on
        # loopback needs none.
        own = {name: value for name, value in environment.items() if name != "AWS_CA_BUNDLE"}
        own |= _COLLECTION
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _GUARD, str(program), "-debug"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=own,
            text=True,
            process_group=0 if os.name == "posix" else None,
        )
        self.environment = {}
        self._schema: subprocess.Popen[str] | None = None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if found := _PRINTED.search(line):
                folders = [folder] if state is None else [folder, state]
                self.environment = {VARIABLE: self._with_few_types(found[1], folders)}
                return

    def _with_few_types(self, printed: str, folders: list[Path]) -> str:
        """Start what answers for the schema, and return how Terraform connects to it."""
        connections = json.loads(printed)
        (connection,) = connections.values()
        if connection["Addr"]["Network"] != "unix" or connection["ProtocolVersion"] != 5:
            return printed
        try:
            node = find_node()
        except MissingToolError:
            return printed
        socket = connection["Addr"]["String"]
        own = f"{socket}-schema"
        self._schema = subprocess.Popen(
            [node, _SCHEMA_PROGRAM, own, socket, *folders],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            process_group=0,
        )
        assert self._schema.stdout is not None
        if not self._schema.stdout.readline():
            return printed
        connection["Addr"]["String"] = own
        return json.dumps(connections)

    @property
    def ended(self) -> bool:
        """Whether the provider has ended."""
        return self._process.poll() is not None

    def close(self) -> None:
        """End the provider."""
        if self._schema is not None:
            self._schema.communicate()
        self._process.communicate()


class KeptProvider:
    """The provider of the folder in which Terraform ran last.

    Each needs several hundred MB of memory, so there is one at a time.
    """

    def __init__(self) -> None:
        self._in_use = threading.Lock()
        self._process: ProviderProcess | None = None
        self._belongs_to: tuple[object, ...] | None = None

    @contextmanager
    def attached(
        self,
        program: Path,
        folder: Path,
        environment: Mapping[str, str],
        state: Path | None = None,
    ) -> Iterator[Mapping[str, str]]:
        """Yield the environment variables with which a command connects to the provider.

        They are empty while a command of another thread uses it.

        Args:
            program: The provider's program.
            folder: The folder of the configuration.
            environment: All of its environment variables.
            state: A folder with the state, if it is not in the configuration's.
        """
        if not self._in_use.acquire(blocking=False):
            yield {}
            return
        try:
            # A folder that was removed and made again is another one for a process that is in it.
            belongs_to = program, folder, folder.stat().st_ino
            if self._process is None or self._process.ended or self._belongs_to != belongs_to:
                self.close()
                self._process = ProviderProcess(program, folder, environment, state)
                self._belongs_to = belongs_to
            yield self._process.environment
        finally:
            self._in_use.release()

    def close(self) -> None:
        """End the provider."""
        if self._process is not None:
            self._process.close()
            self._process = None


def program_in(data: Path) -> Path | None:
    """Return the AWS provider that ``terraform init`` has put into its data folder.

    Args:
        data: The folder, by default ``.terraform``.
    """
    # Each version's folder is perhaps a link into a mirror.
    return next(data.glob("providers/*/hashicorp/aws/*/*/terraform-provider-aws*"), None)
