"""A Lambda template whose functions meet faults: which ones follows from a seed and the call."""

import hashlib
import json
import os
import random
import signal
from types import SimpleNamespace

import lokki_runtime
from lokki_runtime import store

"{{PUT_FUNCTION_HERE}}"

_connect = store.client


class _Faults:
    """The faults of one attempt of a call.

    Args:
        event: The call.
    """

    def __init__(self, event):
        call = json.dumps([event["node"], event.get("place"), event["run"]])
        seen = os.path.join(os.environ["CHAOS_FOLDER"], hashlib.sha256(call.encode()).hexdigest())
        os.makedirs(seen, exist_ok=True)
        self.attempt = len(os.listdir(seen))
        open(os.path.join(seen, str(self.attempt)), "w").close()
        self.seed = f"{event['run']} {call} {self.attempt}"
        self.requests = {}

    def draw(self, of):
        return random.Random(f"{self.seed} {of}").random()

    def of_storage(self, request, **_):
        """What happens to a request to S3: an error, a lost answer, or a second delivery."""
        from botocore.awsrequest import AWSResponse
        from botocore.exceptions import ConnectionClosedError

        what = f"{request.method} {request.url}"
        self.requests[what] = number = self.requests.get(what, 0) + 1
        chance = self.draw(f"{what} {number}")
        if chance < 0.2:
            code, name = (500, "InternalError") if chance < 0.1 else (503, "SlowDown")
            body = f"<Error><Code>{name}</Code></Error>".encode()
            raw = SimpleNamespace(stream=lambda *_, **__: iter([body]), read=lambda *_: body)
            return AWSResponse(request.url, code, {}, raw)
        if chance < 0.3:
            first = _connect()._endpoint.http_session.send(request)
            assert first.content is not None  # it has been received
            request.reset_stream()
            if chance < 0.25:
                raise ConnectionClosedError(endpoint_url=request.url)
        return None


_current = None


def _client():
    client = _connect()
    if not hasattr(client, "chaos"):
        import botocore.endpoint
        import botocore.retries.bucket

        botocore.endpoint.time = SimpleNamespace(sleep=lambda _: None)
        botocore.retries.bucket.TokenBucket.acquire = lambda *_, **__: True
        client.chaos = True
        client.meta.events.register("before-send.s3", lambda **about: _current.of_storage(**about))
    return client


store.client = _client


def _fail(name):
    raise type(name, (Exception,), {})("injected")


def lambda_handler(event, context):
    global _current
    _current = faults = _Faults(event)
    chance = faults.draw("call")
    of_lambda = context is not None  # a job of Batch has no answer that could be lost
    if of_lambda and chance < 0.1:
        _fail("Lambda.TooManyRequestsException")
    if chance > 0.95:
        os.kill(os.getpid(), signal.SIGKILL)
    answer = lokki_runtime.run("{{PUT_FUNCTION_NAME_HERE}}", event, context)
    if 0.2 < chance < 0.3:
        answer = lokki_runtime.run("{{PUT_FUNCTION_NAME_HERE}}", event, context)
    if of_lambda and 0.1 < chance < 0.2:
        _fail("Lambda.ServiceException")
    if chance > 0.9:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer
