"""Holds what is generated against validators that others wrote, and against rules of our own.

Also repeats the tests with forged inputs and injected faults, ten times as often as ``make test``.

    python tests/audit/audit.py

Installs, into ``.audit``: asl-validator and AWS's language service (npm), and checkov (pip).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".audit"
EXAMPLES = sorted(ROOT.glob("tests/audit/pipelines/*.py"))
NPM = ("asl-validator@4.0.0", "amazon-states-language-service@1.16.1")
# A user's choice, each: reserved concurrency, a dead letter queue, a VPC, code signing;
# a bucket's access log, replication and event notifications.
CHOICES = {
    "CKV_AWS_115", "CKV_AWS_116", "CKV_AWS_117", "CKV_AWS_272",
    "CKV_AWS_18", "CKV_AWS_144", "CKV2_AWS_62",
}  # fmt: skip
IMAGE_CHOICES = {
    # HEALTHCHECK: Lambda has no health checks, its Runtime API shows whether a function answers.
    # A job of Batch ends by itself, and ECS ignores health checks of images (ECS API Reference,
    # "HealthCheck").
    "CKV_DOCKER_2",
    # The base image has a tag, or a digest, as the default of an argument.
    "CKV_DOCKER_7",
}
# Keys of the customer's for logs, schedules and variables, which kms_key names.
KEYS = {"CKV_AWS_136", "CKV_AWS_158", "CKV_AWS_173", "CKV_AWS_297"}
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ADVERSARIAL = (
    *("agreement/test_forged.py", "agreement/test_chaos.py", "agreement/test_deaths.py"),
    *("terraform/test_synth.py", "terraform/test_scratch.py", "packaging/test_layers.py"),
    *("local/test_resume.py", "local/test_database.py", "test_pages.py"),
)
"""Tests of inputs that were made to deceive, faults, kills and full disks; pages with Terraform."""
SETTINGS = {"": "", " under a key": f'[aws]\nkms_key = "{KEY}"\n[lambda]\nversions = true\n'}
"""The variants of the files: default settings, and a customer managed key with versions."""


def audit() -> int:
    """Prints what each validator says of each pipeline; returns the exit code."""
    install()
    problems = 0
    with tempfile.TemporaryDirectory() as scratch:
        for source in EXAMPLES:
            machine = Path(scratch) / f"{source.stem}.asl.json"
            for under, settings in SETTINGS.items():
                for folder in synthesize(source, Path(scratch), settings):
                    choices = CHOICES if settings else CHOICES | KEYS
                    found = checkov(folder / "cdk.tf.json", choices)
                    problems += report(f"{folder.name}{under}: checkov", found)
                    if (dockerfile := folder / "image" / "Dockerfile").exists():
                        found = checkov(dockerfile, IMAGE_CHOICES)
                        problems += report(f"{folder.name}{under}: checkov, Dockerfile", found)
                    found = own_policy_checks(folder)
                    problems += report(f"{folder.name}{under}: policies", found)
            problems += report(f"{source.stem}: asl-validator", asl_validator(machine))
            problems += report(f"{source.stem}: AWS language service", language_service(machine))
            problems += report(f"{source.stem}: variables", own_checks(machine))
    problems += report("forged inputs, faults, kills", adversarial())
    print("clean" if not problems else f"{problems} problems")
    return 1 if problems else 0


def install() -> None:
    """The tools, once."""
    TOOLS.mkdir(exist_ok=True)
    if not (TOOLS / "node_modules").exists():
        command = ["npm", "install", "--silent", "--prefix", str(TOOLS), *NPM]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    if not (TOOLS / "venv" / "bin" / "checkov").exists():
        venv.create(TOOLS / "venv", with_pip=True)
        pip = [str(TOOLS / "venv" / "bin" / "pip"), "install", "--quiet", "uv"]
        subprocess.run(pip, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        uv = [str(TOOLS / "venv" / "bin" / "uv"), "pip", "install", "--quiet", "checkov"]
        python = ["--python", str(TOOLS / "venv" / "bin" / "python")]
        subprocess.run([*uv, *python], check=True)


def synthesize(source: Path, scratch: Path, settings: str) -> list[Path]:
    """Writes a pipeline's Terraform and machine; returns the stacks' folders."""
    (scratch / "lokki.toml").write_text(settings)
    code = (
        "import json\nfrom pathlib import Path\n"
        "from lokki_tf.config import load_config\n"
        f"from {source.stem} import pipe\n"
        f"config = load_config(Path({str(scratch)!r}), environ={{}})\n"
        f"made = pipe.synth({str(scratch)!r}, config=config)\n"
        f"text = json.dumps(pipe.generate_step_functions(), indent=1)\n"
        f"open({str(scratch / (source.stem + '.asl.json'))!r}, 'w').write(text)\n"
        "print(*filter(None, [made.folder, made.images]), sep='\\n')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=source.parent
    )
    return [Path(line) for line in done.stdout.split("\n") if line.startswith(str(scratch))]


def asl_validator(machine: Path) -> list[str]:
    """What asl-validator objects to."""
    program = TOOLS / "node_modules" / ".bin" / "asl-validator"
    done = subprocess.run(
        [str(program), "--json-path", str(machine)], capture_output=True, text=True, check=False
    )
    return [] if done.returncode == 0 else (done.stdout + done.stderr).strip().splitlines()


def language_service(machine: Path) -> list[str]:
    """What AWS's language service, which its editors use, objects to."""
    script = """
    const fs = require("fs");
    const {getLanguageService, TextDocument} = require("amazon-states-language-service");
    const document = TextDocument.create("m", "asl", 1, fs.readFileSync(process.argv[1], "utf8"));
    const service = getLanguageService({});
    service.doValidation(document, service.parseJSONDocument(document)).then(found => {
      for (const one of found) console.log(`line ${one.range.start.line + 1}: ${one.message}`);
    });
    """
    done = subprocess.run(
        ["node", "-e", script, str(machine)], capture_output=True, text=True, check=True, cwd=TOOLS
    )
    return done.stdout.strip().splitlines()


def own_checks(machine: Path) -> list[str]:
    """What our own rules find: undefined variables, unknown parameters."""
    from lokki_tf.checks import check_state_machine

    return [finding.message for finding in check_state_machine(json.loads(machine.read_text()))]


def own_policy_checks(folder: Path) -> list[str]:
    """What our own rule finds: wildcards where IAM compares exactly."""
    from lokki_tf.checks.policies import patterns_compared_literally

    files = [folder / "cdk.tf.json", *folder.glob("permissions/*.json")]
    return [
        found
        for file in files
        for found in patterns_compared_literally(json.loads(file.read_text()))
    ]


def checkov(file: Path, choices: set[str]) -> list[str]:
    """Failed checks that users cannot change by settings."""
    program = TOOLS / "venv" / "bin" / "checkov"
    done = subprocess.run(
        [
            str(program),
            "-f",
            str(file),
            "-o",
            "json",
            "--quiet",
            "--compact",
            "--skip-download",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    reports = json.loads(done.stdout)
    failed = [
        check
        for one in (reports if isinstance(reports, list) else [reports])
        for check in one.get("results", {}).get("failed_checks", [])
    ]
    return sorted(
        {
            f"{check['check_id']} {check['resource']}: {check['check_name']}"
            for check in failed
            if check["check_id"] not in choices
        }
    )


def adversarial() -> list[str]:
    """Which tests fail when they are repeated."""
    command = [sys.executable, "-m", "pytest", "-n", "2", "-rfE"]
    done = subprocess.run(
        [*command, *(f"tests/{one}" for one in ADVERSARIAL)],
        cwd=ROOT,
        env={**os.environ, "LOKKI_TESTS_TIMES": "10"},
        capture_output=True,
        text=True,
        check=False,
    )
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed or ([done.stdout[-2000:]] if done.returncode else [])


def report(title: str, problems: list[str]) -> int:
    """Prints a validator's verdict; returns how many problems there are."""
    print(f"{title}: {'ok' if not problems else ''}")
    for problem in problems:
        print(f"  {problem}")
    return len(problems)


if __name__ == "__main__":
    sys.exit(audit())
