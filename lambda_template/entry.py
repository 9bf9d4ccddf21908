"""The program of a pipeline's container image: ``python3 entry.py STEP``.

Beside it is one folder for each step, with the files that the step's zip would contain. In Lambda,
this program serves the Runtime API. Elsewhere it is one job of AWS Batch: ``lokki_runtime.jobs`` in
the step's folder reads its event, and writes its answer or error. A job that fails writes its error
to the last line on stderr and exits with 1.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = os.path.join(HERE, ".packages")
WRONG_USE = 2


class Terminated(BaseException):
    """AWS Batch stops the job."""


class Context:
    """What a handler gets as its second argument.

    Args:
        headers: Of the invocation.
    """

    def __init__(self, headers):
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers.get("Lambda-Runtime-Invoked-Function-Arn")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.identity = None
        self.client_context = None
        self._deadline = int(headers.get("Lambda-Runtime-Deadline-Ms") or 0)

    def get_remaining_time_in_millis(self):
        """How long the function may still run."""
        return max(0, self._deadline - int(time.time() * 1000))


def main(arguments):
    """Runs the program and returns its exit code."""
    sys.stdout.reconfigure(line_buffering=True)
    if len(arguments) != 1:
        print(f"usage: entry.py STEP, one of {_steps()}", file=sys.stderr)
        return WRONG_USE
    _log_as_lambda()
    api = os.environ.get("AWS_LAMBDA_RUNTIME_API")
    return _serve(api, arguments[0]) if api else _run_job(arguments[0])


def _steps():
    named = (one.name for one in os.scandir(HERE) if one.is_dir() and one.path != PACKAGES)
    return ", ".join(sorted(named))


def _log_as_lambda():
    """Gives the root logger the handler that Lambda's own runtime gives it."""
    form = logging.Formatter("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(message)s")
    form.default_msec_format, form.datefmt, form.converter = None, "%Y-%m-%dT%H:%M:%S", time.gmtime
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(form)
    logging.getLogger().addHandler(handler)


def _enter(step):
    """Makes the step's folder the working directory and the first place for imports."""
    folder = os.path.join(HERE, step)
    if os.path.basename(step) != step or not os.path.isdir(folder):
        raise LookupError(f"this image has no step {step!r}; its command is one of {_steps()}")
    # As in Lambda: the code, the packages that steps declare, and last what the runtime brings
    # along, which in Lambda's own images only Lambda's own program would find.
    others = [place for place in sys.path if place != HERE]
    runtime = os.environ.get("LAMBDA_RUNTIME_DIR", "/var/runtime")
    sys.path[:] = [folder, PACKAGES, *others, runtime]
    os.chdir(folder)


def _handler():
    import lambda_function

    return lambda_function.lambda_handler


def _failure(error, loading=False):
    """An error as Lambda's own runtime reports it, said on stderr as well."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and not frame.filename.startswith("<frozen")
    ]
    kind, message = type(error).__name__, str(error)
    if loading and isinstance(error, SyntaxError):
        kind, message = "Runtime.UserCodeSyntaxError", f"Syntax error in {message}"
    elif loading and isinstance(error, ImportError):
        kind = "Runtime.ImportModuleError"
        message = f"Unable to import module 'lambda_function': {message}"
    traceback.print_exception(type(error), error, error.__traceback__)
    return {
        "errorMessage": message,
        "errorType": kind,
        "stackTrace": traceback.format_list(frames),
    }


# In Lambda


def _serve(api, step):
    try:
        _enter(step)
        handler = _handler()
    except Exception as error:
        _post_failure(api, "init/error", _failure(error, loading=True))
        return 1
    while True:
        _invoke(api, handler)


def _invoke(api, handler):
    """Takes one event, calls the handler and answers."""
    headers, body = _request(api, "GET", "invocation/next")
    context = Context(headers)
    os.environ["_X_AMZN_TRACE_ID"] = headers.get("Lambda-Runtime-Trace-Id") or ""
    place = f"invocation/{context.aws_request_id}"
    try:
        answer = handler(json.loads(body), context)
    except Exception as error:
        _post_failure(api, f"{place}/error", _failure(error))
        return
    try:
        data = json.dumps(answer).encode()
    except Exception as error:
        failure = _failure(error)
        failure["errorType"] = "Runtime.MarshalError"
        failure["errorMessage"] = f"Unable to marshal response: {error}"
        _post_failure(api, f"{place}/error", failure)
        return
    _request(api, "POST", f"{place}/response", data)


def _post_failure(api, path, failure):
    kind = failure["errorType"]
    headers = {"Content-Type": "application/vnd.aws.lambda.error+json"}
    if kind.isascii() and kind.isprintable():
        headers["Lambda-Runtime-Function-Error-Type"] = kind
    _request(api, "POST", path, json.dumps(failure).encode(), headers)


def _request(api, method, path, body=None, headers=None):
    """Speaks with the Runtime API; without a time limit, since the process may be frozen."""
    from http.client import HTTPConnection

    connection = HTTPConnection(api)
    try:
        connection.request(method, f"/2018-06-01/runtime/{path}", body, headers or {})
        response = connection.getresponse()
        data = response.read()
    finally:
        connection.close()
    if response.status >= 500:
        # Runtime API: "Container error. Non-recoverable state. Runtime should exit promptly."
        raise SystemExit(f"the Runtime API answers {response.status} to {path}")
    if response.status >= 400:
        print(f"the Runtime API refuses {path}: {data.decode(errors='replace')}", file=sys.stderr)
    return response.headers, data


# In AWS Batch


def _run_job(step):
    # The first process of a container ignores the signal unless it says otherwise.
    signal.signal(signal.SIGTERM, _terminate)
    job, loading = None, True
    try:
        _enter(step)
        from lokki_runtime.jobs import Job

        job = Job(os.environ)
        handler = _handler()
        loading = False
        job.perform(handler)
    except BaseException as error:
        failure = _failure(error, loading)
        _tell(job, failure)
        said = " ".join(f"{failure['errorType']}: {failure['errorMessage']}".split())
        print(said, file=sys.stderr)
        return 1
    return 0


def _terminate(number, frame):
    raise Terminated("AWS Batch has stopped the job: it was cancelled, or its time was up")


def _tell(job, failure):
    """Writes the error where the state machine looks for it, if that is known and can be written."""
    if job is None:
        return
    try:
        job.fail(**failure)
    except Exception as error:
        print(f"the error could not be written: {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
