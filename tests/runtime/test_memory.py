"""The settings of the heap are taken where there is a glibc, and harm nobody elsewhere."""

import platform
import subprocess
import sys

GROWS = """
import resource
from runtime.memory import return_freed_memory

assert return_freed_memory() is {taken}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(50):
    blocks = [bytearray(256 * 1024) for _ in range(20)]
    del blocks
assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 20_000
"""


def test_the_c_library_takes_the_settings_and_the_process_goes_on() -> None:
    taken = sys.platform.startswith("linux") and platform.libc_ver()[0] == "glibc"
    done = subprocess.run(
        [sys.executable, "-c", GROWS.format(taken=taken)], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
