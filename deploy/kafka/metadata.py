"""Ask a broker which brokers it knows, over a blocking socket.

A blocking request of forty bytes, and not aiokafka's admin client: it works in threads and inside
running event loops alike.
"""

import socket
import struct

_METADATA, _VERSION, _CORRELATION = 3, 1, 1
_NO_CLIENT_ID, _NO_TOPICS = -1, 0
_LARGEST_ANSWER_BYTES = 1 << 20


def known_brokers(address: str, timeout_seconds: float = 2.0) -> set[int]:
    """Return the numbers of the brokers that are in service, as the one at `address` sees it.

    Source: https://kafka.apache.org/protocol, Metadata request and response version 1.

    Raises:
        OSError: it cannot be reached or does not answer in time.
        ValueError: what it answers is not Kafka.
    """
    host, _, port = address.rpartition(":")
    header = struct.pack(">hhihi", _METADATA, _VERSION, _CORRELATION, _NO_CLIENT_ID, _NO_TOPICS)
    with socket.create_connection((host, int(port)), timeout=timeout_seconds) as connection:
        connection.sendall(struct.pack(">i", len(header)) + header)
        (size,) = struct.unpack(">i", _receive(connection, 4))
        if not 8 <= size <= _LARGEST_ANSWER_BYTES:
            raise ValueError(f"{address} does not speak Kafka's protocol")
        return _numbers(_receive(connection, size))


def _receive(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = connection.recv(size - len(found))
        if not part:
            raise ConnectionError("closed before the answer was complete")
        found += part
    return found


def _numbers(answer: bytes) -> set[int]:
    try:
        correlation, count = struct.unpack_from(">ii", answer)
        if correlation != _CORRELATION:
            raise ValueError("an answer to another request")
        numbers, at = set(), 8
        for _ in range(count):
            number, host_bytes = struct.unpack_from(">ih", answer, at)
            at += 6 + host_bytes + 4
            (rack_bytes,) = struct.unpack_from(">h", answer, at)
            at += 2 + max(rack_bytes, 0)
            numbers.add(number)
    except struct.error as error:
        raise ValueError("an answer that is cut off") from error
    return numbers
