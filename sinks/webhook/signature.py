"""The headers of a post: who it is from, when it was sent, and what makes it known again.

- `Perptape-Timestamp`: seconds since 1970 of this attempt; a receiver refuses what is old.
- `Perptape-Signature`: `v1=` and, in hexadecimal, HMAC-SHA256 with the shared secret over the
  timestamp, a full stop and the body, byte for byte.
- `Perptape-Key`: the alert's key, percent-encoded. Delivery is at least once: a second post with
  one key says nothing new.
- `Perptape-Skipped`: only where alerts before this one were too old to be sent; how many.
"""

import hashlib
import hmac
from urllib.parse import quote

TIMESTAMP, SIGNATURE = "Perptape-Timestamp", "Perptape-Signature"
KEY, SKIPPED = "Perptape-Key", "Perptape-Skipped"
_UNCHANGED = "|:=[],./-_"


def headers_of(
    body: bytes, key: str, *, secret: bytes, sent_seconds: int, skipped: int = 0
) -> dict[str, str]:
    """Return the headers of one post.

    Args:
        body: what is sent.
        key: of the alert.
        secret: what receiver and sender share.
        sent_seconds: the time of this attempt.
        skipped: alerts left out since the last one that was delivered.
    """
    signed = hmac.new(secret, b"%d." % sent_seconds + body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        TIMESTAMP: str(sent_seconds),
        SIGNATURE: f"v1={signed}",
        KEY: quote(key, safe=_UNCHANGED),
    }
    return {**headers, SKIPPED: str(skipped)} if skipped else headers
