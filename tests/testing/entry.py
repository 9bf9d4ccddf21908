"""The entry script of the tests' image: a function for Lambda, or the program of a Batch job.

It imports the standard library only, because the image contains nothing else.
"""

import json
import os
import sys
import time
import urllib.request

API = os.environ.get("AWS_LAMBDA_RUNTIME_API")


def main(command):
    """Run the given command and return its exit code."""
    print("begun", *command)
    what = command[0] if command else "ok"
    if what == "pid":
        print(os.getpid())
        time.sleep(60)
    elif what == "sleep":
        time.sleep(float(command[1]))
    elif what == "exit":
        return int(command[1])
    elif what == "until":  # fails in all attempts before that
        return 0 if os.environ["AWS_BATCH_JOB_ATTEMPT"] == command[1] else 7
    elif what == "environment":
        print(json.dumps(dict(os.environ)))
    elif what == "folder":
        print(os.getcwd(), sorted(os.listdir()))
    print("to stderr", file=sys.stderr)
    return 0


def loop(command):
    """Handle Lambda's events until the process is stopped."""
    if command == ["broken"]:
        ask("init/error", json.dumps({"errorType": "Broken", "errorMessage": "at init"}).encode())
        sys.exit(1)
    if command == ["exits"]:
        sys.exit(3)
    count = 0
    while True:
        headers, event = ask("invocation/next")
        count += 1
        where = f"invocation/{headers['Lambda-Runtime-Aws-Request-Id']}"
        try:
            result = handle(json.loads(event), headers, count, command)
            ask(f"{where}/response", json.dumps(result).encode())
        except Exception as error:
            told = {"errorType": type(error).__name__, "errorMessage": str(error), "stackTrace": []}
            ask(f"{where}/error", json.dumps(told).encode())


def handle(event, headers, count, command):
    """Do what the event says."""
    print("event", count)
    if event == "raise":
        raise KeyError("missing")
    if event == "exit":
        sys.stdout.flush()
        os._exit(4)
    if event == "sleep":
        time.sleep(9999)
    if event == "environment":
        return dict(os.environ)
    if event == "headers":
        return dict(headers)
    if event == "large":
        return "x" * 6_300_000
    return {"event": event, "count": count, "command": command, "folder": os.getcwd()}


def ask(path, body=None):
    """Make one request of the Runtime API."""
    url = f"http://{API}/2018-06-01/runtime/{path}"
    with urllib.request.urlopen(urllib.request.Request(url, data=body)) as answer:
        return answer.headers, answer.read()


if __name__ == "__main__":
    sys.exit(loop(sys.argv[1:]) if API else main(sys.argv[1:]))
