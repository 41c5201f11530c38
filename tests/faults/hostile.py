"""Frames that no venue should send: good ones spoilt in the ways of wires, venues and people."""

import re
from collections.abc import Callable, Sequence
from random import Random

NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
KEY = re.compile(rb'"\w+":')
NUMBERS = (
    b"0", b"-1", b"1e5", b"1e400", b"1e-400", b"9" * 400, b"0." + b"0" * 40 + b"1", b"null", b'""',
    b"9223372036854775807", b"9223372036854775808", b"18446744073709551616", b"NaN", b"[]", b"{}",
    b"4102444799999", b"1230768000001", b"true", b"99999999999999999999.5", b"01",
)  # fmt: skip
"""What stands where a number stood."""

JUNK = (b"null", b"7", b'"8"', b"[]", b'{"e":"x"}', b"false", b'"\\ud800"', b"[[[[[]]]]]")
DEEP = 3_000

Recipe = Callable[[Random, Sequence[bytes]], bytes]


def flipped(chance: Random, frames: Sequence[bytes]) -> bytes:
    """Change some bytes."""
    frame = bytearray(chance.choice(frames))
    for _ in range(chance.randint(1, 4)):
        frame[chance.randrange(len(frame))] = chance.randrange(256)
    return bytes(frame)


def cut(chance: Random, frames: Sequence[bytes]) -> bytes:
    """Take a part out of a frame."""
    frame = chance.choice(frames)
    start = chance.choice((0, chance.randrange(len(frame))))
    return frame[start : chance.randint(start, len(frame))]


def spliced(chance: Random, frames: Sequence[bytes]) -> bytes:
    """Put the beginning of one frame before the end of another, at keys where there are some."""
    first, second = chance.choice(frames), chance.choice(frames)
    left = [found.start() for found in KEY.finditer(first)] or [len(first) // 2]
    right = [found.start() for found in KEY.finditer(second)] or [len(second) // 2]
    return first[: chance.choice(left)] + second[chance.choice(right) :]


def repeated(chance: Random, frames: Sequence[bytes]) -> bytes:
    """Give a key twice, once with a wrong value."""
    frame = chance.choice(frames)
    keys = list(KEY.finditer(frame))
    if not keys:
        return frame + frame
    key = chance.choice(keys)
    return frame[: key.start()] + key[0] + chance.choice(JUNK) + b"," + frame[key.start() :]


def nested(chance: Random, frames: Sequence[bytes]) -> bytes:
    """Put a deep nest where a value was."""
    opening, closing = chance.choice(((b"[", b"]"), (b'{"a":', b"}")))
    depth = chance.choice((5, 200, DEEP))
    nest = opening * depth + chance.choice((b"1" + closing * depth, b""))
    return replaced(chance, chance.choice(frames), nest)


def huge(chance: Random, frames: Sequence[bytes]) -> bytes:
    """Put an unlikely number where a number was, up to three times."""
    frame = chance.choice(frames)
    for _ in range(chance.randint(1, 3)):
        frame = replaced(chance, frame, chance.choice(NUMBERS))
    return frame


def exchanged(chance: Random, frames: Sequence[bytes]) -> bytes:
    """Put the number of another frame where a number was: well-formed, and wrong."""
    frame = chance.choice(frames)
    for _ in range(chance.randint(1, 3)):
        numbers = NUMBER.findall(chance.choice(frames)) or [b"1"]
        frame = replaced(chance, frame, chance.choice(numbers))
    return frame


def again(chance: Random, frames: Sequence[bytes]) -> bytes:
    """Send a frame of before, or of another channel."""
    return chance.choice(frames)


def noise(chance: Random, frames: Sequence[bytes]) -> bytes:
    """Send any bytes."""
    return chance.randbytes(chance.randrange(200))


def replaced(chance: Random, frame: bytes, value: bytes) -> bytes:
    """Put a value where a number was."""
    places = list(NUMBER.finditer(frame))
    if not places:
        return frame + value
    place = chance.choice(places)
    return frame[: place.start()] + value + frame[place.end() :]


RECIPES: tuple[Recipe, ...] = (
    flipped, cut, spliced, repeated, nested, huge, exchanged, again, noise,
)  # fmt: skip


def spoil(chance: Random, frames: Sequence[bytes]) -> bytes:
    """Return one hostile frame made of good ones (none of them empty)."""
    return chance.choice(RECIPES)(chance, frames)
