"""What every sink says of a record that it cannot bring to where it belongs."""

from runtime.bus.protocol import Record
from schemas.ops import PAYLOAD_LIMIT_BYTES, DeadLetter

_DETAIL_CHARACTERS = 500


def dead_letter(record: Record, reason: str, detail: str) -> DeadLetter:
    """Describe a record that cannot be used, with its beginning; its time is the record's."""
    value = record.value or b""
    return DeadLetter(
        origin=f"{record.topic}/{record.partition}/{record.offset}",
        reason=reason,
        detail=detail[:_DETAIL_CHARACTERS],
        receive_time_us=record.timestamp_us,
        size_bytes=len(value),
        payload=value[:PAYLOAD_LIMIT_BYTES].decode("utf-8", "replace"),
    )
