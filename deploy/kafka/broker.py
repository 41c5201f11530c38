"""One broker: a process of Java that ends with ours."""

import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from deploy.kafka.errors import BrokerError
from deploy.kafka.java import Java
from deploy.kafka.leash import leashed
from deploy.kafka.properties import java_flags

_TAIL_LINES, _TAIL_BYTES = 20, 256_000
_FORMAT_SECONDS = 120.0


class Broker:
    """One broker with its properties file and its log file.

    Args:
        number: the broker's number, from 1.
        java: what runs it.
        jars: folder of its libraries.
        properties: its server.properties; must be there when it is formatted and launched.
        log: its log file; every launch appends to it.
        heap_mib: the largest heap.
    """

    def __init__(
        self, number: int, java: Java, jars: Path, properties: Path, log: Path, heap_mib: int
    ) -> None:
        self.number = number
        self.log = log
        self.paused = False
        self._properties = properties
        self._scratch = log.with_suffix(".tmp")
        flags = java_flags(java.version, self._scratch, heap_mib)
        self._java = [str(java.path), *flags, "-cp", str(jars / "*")]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def runs(self) -> bool:
        """Whether there is a process; one that is paused runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id.

        Raises:
            BrokerError: it does not run.
        """
        return self._running().pid

    def format(self, cluster_id: str, options: Sequence[str] = ()) -> None:
        """Prepare the data folder with Kafka's storage tool.

        Args:
            cluster_id: the same for all brokers of a cluster.
            options: further options of the tool.

        Raises:
            BrokerError: the tool failed.
        """
        command = [
            *self._java, "kafka.tools.StorageTool", "format", "--ignore-formatted",
            f"--cluster-id={cluster_id}", f"--config={self._properties}", *options,
        ]  # fmt: skip
        self._empty_scratch()
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()  # of one that ended by itself
        with self.log.open("ab") as log:
            done = subprocess.run(  # noqa: S603  # the Java and the jars that were found
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=_FORMAT_SECONDS,
                check=False,
            )
        if done.returncode != 0:
            raise BrokerError(f"the data of broker {self.number} cannot be used; {self.tail()}")

    def launch(self) -> None:
        """Start the process and return at once."""
        self._empty_scratch()
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()  # of one that ended by itself
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # the Java and the jars that were found
                leashed([*self._java, "kafka.Kafka", str(self._properties)]),
                stdin=subprocess.PIPE,  # the leash
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,  # Ctrl-C is ours to handle: brokers in use must not go first
            )
        self.paused = False

    def pause(self) -> None:
        """Keep the process from doing anything; its sockets stay open."""
        self._running().send_signal(signal.SIGSTOP)
        self.paused = True

    def resume(self) -> None:
        """Let a paused process go on."""
        self._running().send_signal(signal.SIGCONT)
        self.paused = False

    def terminate(self) -> None:
        """Ask the process to end, if it runs."""
        if self.runs:
            self._running().terminate()
            self.resume()

    def kill(self) -> None:
        """End the process as a power cut would, if it runs, and wait for its end."""
        if self._process is not None:
            self._process.kill()
            self.wait(time.monotonic())

    def wait(self, deadline: float) -> None:
        """Wait until the process has ended; kill it at the deadline.

        Args:
            deadline: a time of `time.monotonic()`.
        """
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self.paused = False
        shutil.rmtree(self._scratch, ignore_errors=True)

    def tail(self) -> str:
        """Return the end of the log, with the file's name before it.

        Left out is what stands between a cause and the end of a broker: stack frames and the
        hundred lines in which it tells that it shuts down.
        """
        text = self.log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
        lines = text.splitlines()
        telling = [line for line in lines if " INFO " not in line and not line.startswith("\tat ")]
        return "\n".join([f"the end of {self.log}:", *(telling or lines)[-_TAIL_LINES:]])

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            raise BrokerError(f"broker {self.number} does not run")
        return self._process

    def _empty_scratch(self) -> None:
        """Remove the native libraries that a killed broker has left unpacked."""
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir(parents=True)
