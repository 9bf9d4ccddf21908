"""Return status 403 for missing objects in S3 to roles without ``s3:ListBucket``.

moto returns status 404 to all roles. It also does not return whether a bucket sends its events to
EventBridge, and with which key objects are encrypted by default.
"""

from __future__ import annotations

from typing import Any

from lokki_tf.testing.account import Account
from lokki_tf.testing.moto_gaps.access_control import who


def deny_what_may_not_be_listed(account: Account) -> None:
    """Replace moto's methods that return objects.

    Source: Amazon S3 API Reference, ``GetObject`` and ``HeadObject``, "Permissions".
    """
    from moto.s3.exceptions import MissingKey, S3AccessDeniedError
    from moto.s3.responses import S3Response

    # moto finds the key of every request with this method, and has no public one to replace.
    get_key, head_object = S3Response._get_key, S3Response.head_object

    def is_unlisted(response: Any, bucket: str) -> bool:
        found = who(account.access, response)
        if found is None:
            return False
        return not account.access.would_allow(found[0], "s3:ListBucket", f"arn:aws:s3:::{bucket}")

    def denying_get_key(self: Any) -> Any:
        try:
            return get_key(self)
        except MissingKey:
            if is_unlisted(self, self.bucket_name):
                raise S3AccessDeniedError from None
            raise

    def denying_head_object(self: Any, bucket_name: str, *args: Any, **kwargs: Any) -> Any:
        answer = head_object(self, bucket_name, *args, **kwargs)
        absent = answer[0] == 404 and is_unlisted(self, bucket_name)
        return (403, *answer[1:]) if absent else answer

    setattr(S3Response, "_get_key", denying_get_key)  # noqa: B010
    setattr(S3Response, "head_object", denying_head_object)  # noqa: B010


def return_encryption() -> None:
    """Replace moto's method that returns an object's data, which lacks the default encryption.

    Source: Amazon S3 User Guide, "Amazon S3 now automatically encrypts all new objects", and API
    Reference, ``GetObject``, ``ChecksumType``.
    """
    from moto.s3.models import FakeKey

    described: Any = FakeKey.response_dict

    def describing(self: Any) -> dict[str, Any]:
        found: dict[str, Any] = described.fget(self)
        found.setdefault("x-amz-server-side-encryption", "AES256")
        if self.checksum_value is not None and "-" not in self.etag:
            found["x-amz-checksum-type"] = "FULL_OBJECT"
        return found

    setattr(FakeKey, "response_dict", property(describing))  # noqa: B010


def return_event_bridge() -> None:
    """Replace moto's method that returns a bucket's notifications, which lacks EventBridge."""
    from moto.s3.responses import S3Response

    get = S3Response.get_bucket_notification

    def get_with_event_bridge(self: Any) -> Any:
        status, headers, body = get(self)
        made = self.backend.get_bucket_notification_configuration(self.bucket_name)
        if made and made.event_bridge is not None:
            text = body.decode() if isinstance(body, bytes) else body
            # moto closes the element at once if it is empty.
            end = "</NotificationConfiguration>"
            head = text.removesuffix(end) if text.endswith(end) else f"{text.removesuffix('/>')}>"
            body = f"{head}<EventBridgeConfiguration/>{end}"
        return status, headers, body

    setattr(S3Response, "get_bucket_notification", get_with_event_bridge)  # noqa: B010
