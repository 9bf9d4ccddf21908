"""Translation of AWS's errors to exceptions with a message and a remedy."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import AwsError, ConfigError, CredentialsError, LokkiError

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_REJECTED = {
    *("InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId"),
    *("SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure", "InvalidToken"),
    *("IncompleteSignature", "MissingAuthenticationToken", "NotSignedUp", "OptInRequired"),
}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AllAccessDisabled"}
_THROTTLED = {"ThrottlingException", "Throttling", "TooManyRequestsException", "SlowDown"}
RENEW = "renew them: aws sso login, or request new keys from the issuer of these"
GIVE = (
    "run aws configure, set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
    'or write profile = "…" under [aws] in lokki.toml'
)


@contextmanager
def translated(service: str = "", operation: str = "", where: str = "") -> Iterator[None]:
    """Translate errors of boto3 to those of lokki_tf, within the context.

    Args:
        service: boto3's name of the service that is called.
        operation: boto3's name of the operation.
        where: Its URL.

    Raises:
        AwsError: Instead of boto3's error.
    """
    try:
        yield
    except LokkiError:
        raise
    except Exception as error:
        if not type(error).__module__.startswith(("botocore", "boto3")):
            raise
        raise meaning(error, service, operation, where) from None


def meaning(error: Any, service: str, operation: str, where: str) -> LokkiError:
    """Return the exception for an error of boto3.

    Args:
        error: The error.
        service: boto3's name of the service that was called.
        operation: boto3's name of the operation.
        where: Its URL.
    """
    kind = type(error).__name__
    if hasattr(error, "response"):
        return _refusal(error, service, operation)
    if kind in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"):
        return CredentialsError(f"there are no AWS credentials: {error}", remedy=GIVE)
    if kind in ("ProfileNotFound", "ConfigParseError", "InvalidConfigError"):
        return CredentialsError(f"AWS's configuration: {error}", remedy=GIVE)
    if "Token" in kind or "SSO" in kind or "Login" in kind:
        return CredentialsError(f"your AWS login has expired: {error}", remedy=RENEW)
    if kind in ("NoRegionError", "InvalidRegionError"):
        return ConfigError(f"AWS region: {error}", remedy="give --region, or set AWS_REGION")
    if kind in _UNREACHABLE:
        return AwsError(
            f"AWS cannot be reached at {where or 'its endpoint'}: {_short(error)}",
            remedy="check endpoint and region, under [aws] in lokki.toml or in the "
            "environment (AWS_ENDPOINT_URL, AWS_REGION), and your network",
        )
    return AwsError(f"{_said(service, operation)}: {error}")


_UNREACHABLE = {
    *("EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "SSLError"),
    *("ConnectionClosedError", "ProxyConnectionError", "HTTPClientError", "ConnectionError"),
}


def _refusal(error: Any, service: str, operation: str) -> LokkiError:
    fields = error.response.get("Error", {})
    code, message = str(fields.get("Code", "")), str(fields.get("Message", "")) or str(error)
    if code in _EXPIRED:
        return CredentialsError(
            f"your AWS credentials have expired ({code})", code=code, remedy=RENEW
        )
    if code in _REJECTED:
        return CredentialsError(
            f"AWS rejects your credentials ({code}): {message}", code=code, remedy=GIVE
        )
    if code in _DENIED:
        return AwsError(
            f"AWS does not let you call {_said(service, operation)} ({code}): {message}",
            code=code,
            remedy="use credentials with this permission: set AWS_PROFILE, or profile under [aws]",
        )
    if code in _THROTTLED:
        return AwsError(
            f"AWS received too many calls of {_said(service, operation)} ({code})",
            code=code,
            remedy="try again in a minute",
        )
    return AwsError(f"{_said(service, operation)} ({code}): {message}", code=code)


def _said(service: str, operation: str) -> str:
    """Return an operation as IAM writes it: ``states:StartExecution``."""
    name = {"stepfunctions": "states"}.get(service, service)
    return f"{name}:{operation.title().replace('_', '')}" if operation else (name or "AWS")


def _short(error: Any) -> str:
    """Return the reason without the objects that urllib3 prints before it."""
    text = re.sub(r"<[^<>]*>: ?", "", str(error))
    return text.partition("\n")[0][:300]
