"""The AWS provider as a process that serves many commands of Terraform.

A command needs some seconds of processor time to start the provider, which then builds the schema
of more than a thousand resources. A provider that already runs saves most of them.

Source: HashiCorp's documentation of provider development, "Debugging providers": a provider that is
started with ``-debug`` prints the value of ``TF_REATTACH_PROVIDERS``, with which Terraform connects
to it and does not end it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

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
# Each command allocates the schema anew. Go would look for garbage whenever the memory has doubled.
_COLLECTION = {"GOGC": "off", "GOMEMLIMIT": "2GiB"}
_PRINTED = re.compile(rf"{VARIABLE}='(.+)'")


class ProviderProcess:
    """A running provider.

    All commands that connect to it share its working directory, its environment and its settings.

    Args:
        program: The provider's program.
        folder: The folder of the configuration, whose relative paths it reads.
        environment: All of its environment variables.
    """

    environment: Mapping[str, str]
    """The environment variables with which Terraform connects to it; empty if it does not run."""

    def __init__(self, program: Path, folder: Path, environment: Mapping[str, str]) -> None:
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
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if found := _PRINTED.search(line):
                self.environment = {VARIABLE: found[1]}
                return

    @property
    def ended(self) -> bool:
        """Whether the provider has ended."""
        return self._process.poll() is not None

    def close(self) -> None:
        """End the provider."""
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
        self, program: Path, folder: Path, environment: Mapping[str, str]
    ) -> Iterator[Mapping[str, str]]:
        """Yield the environment variables with which a command connects to the provider.

        They are empty while a command of another thread uses it.

        Args:
            program: The provider's program.
            folder: The folder of the configuration.
            environment: All of its environment variables.
        """
        if not self._in_use.acquire(blocking=False):
            yield {}
            return
        try:
            # A folder that was removed and made again is another one for a process that is in it.
            belongs_to = program, folder, folder.stat().st_ino
            if self._process is None or self._process.ended or self._belongs_to != belongs_to:
                self.close()
                self._process = ProviderProcess(program, folder, environment)
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
