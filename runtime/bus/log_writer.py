"""The one thread of a process that writes the embedded log.

Whatever waits while a transaction is being written goes into the next one together (group commit),
so the cost of a disk sync is shared. Between transactions the thread runs retention in slices and
notices what other processes have written.
"""

import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import structlog

from runtime.bus.log_append import Entry, Transaction
from runtime.bus.log_file import LogFile, begin, explain
from runtime.bus.log_retention import Sweep, cut_back
from runtime.errors import BusError

_SWEEP_PAUSE_SECONDS = 0.001
_logger = structlog.get_logger(__name__)


@dataclass(slots=True)
class Append:
    """Records to be appended; answered with their offsets."""

    entries: Sequence[Entry]
    size: int
    answer: Future[list[int]] = field(default_factory=Future)

    def apply(self, transaction: Transaction) -> Callable[[], None]:
        """Do the work and return what tells the sender, once it is committed."""
        offsets = transaction.append(self.entries)
        return lambda: self.answer.set_result(offsets)


@dataclass(slots=True)
class Store:
    """A group's positions (by partition number) to be stored."""

    group: str
    positions: Mapping[int, int]
    size: int = 0
    answer: Future[None] = field(default_factory=Future)

    def apply(self, transaction: Transaction) -> Callable[[], None]:
        """Do the work and return what tells the consumer, once it is committed."""
        transaction.store_positions(self.group, self.positions)
        return lambda: self.answer.set_result(None)


Job = Append | Store


class Writer:
    """Owns the writing connection and its thread.

    `on_foreign_change` is called on that thread when another process has committed something while
    `watched` was set.
    """

    def __init__(
        self,
        log: LogFile,
        connection: sqlite3.Connection,
        on_foreign_change: Callable[[], None],
    ) -> None:
        self._log = log
        self._settings = log.settings
        self._on_foreign_change = on_foreign_change
        self._connection = connection
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._watched = False
        self._stopping = False
        self._ended = False
        self._sweep: Sweep | None = None
        self._next_sweep = time.monotonic()
        self._next_look = 0.0
        self._seen_version = 0
        self._thread = threading.Thread(target=self._run, name="perptape-log-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue a job; how many may wait is limited by the caller."""
        self._jobs.put(job)
        if self._ended:
            self._refuse_rest()

    def watch(self, wanted: bool) -> None:
        """Say whether anyone wants to hear of other processes' records."""
        if wanted and not self._watched:
            self._watched = True
            self._jobs.put(None)
        self._watched = wanted

    def close(self) -> None:
        """Finish every job that was submitted, then end the thread and the connection."""
        self._stopping = True
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            while not (self._stopping and self._jobs.empty()):
                group = self._gather()
                if group:
                    self._write(group)
                if not self._stopping:
                    self._look_for_foreign_change()
                    self._maintain()
        finally:
            # However the thread ends, nobody may be left waiting for it.
            self._ended = True
            self._refuse_rest()
            self._connection.close()

    def _refuse_rest(self) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is not None and job.answer.set_running_or_notify_cancel():
                job.answer.set_exception(BusError(f"{self._log.path}: the log is closed"))

    def _gather(self) -> list[Job]:
        """Wait for work and take all that is there, up to the size of a transaction."""
        group: list[Job] = []
        size = 0
        wait = self._idle_seconds()
        while size < self._settings.transaction_bytes:
            try:
                job = self._jobs.get(timeout=wait) if not group else self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                break
            if job.answer.set_running_or_notify_cancel():
                group.append(job)
                size += job.size
        return group

    def _idle_seconds(self) -> float:
        if self._sweep is not None:
            return _SWEEP_PAUSE_SECONDS
        until_sweep = max(self._next_sweep - time.monotonic(), 0.0)
        return (
            min(self._settings.wake_interval_seconds, until_sweep) if self._watched else until_sweep
        )

    def _write(self, group: Sequence[Job]) -> None:
        """Write jobs in one transaction and answer them: all are in, or none is."""
        try:
            begin(self._connection, self._settings.lock_timeout_seconds)
            transaction = Transaction(self._connection, int(self._log.clock()))
            answers = [job.apply(transaction) for job in group]
            transaction.commit()
        except Exception as error:
            # Whatever it is, the senders must hear of it: each gets it as the cause of its own.
            try:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            finally:
                for job in group:
                    told = explain(error, self._log.path, "writing")
                    told.__cause__ = error
                    job.answer.set_exception(told)
        else:
            for answer in answers:
                answer()

    def _look_for_foreign_change(self) -> None:
        now = time.monotonic()
        if not self._watched or now < self._next_look:
            return
        self._next_look = now + self._settings.wake_interval_seconds
        try:
            version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error:
            version = -1  # the polls that are woken meet the error themselves and report it
        if version != self._seen_version:
            self._seen_version = version
            self._on_foreign_change()

    def _maintain(self) -> None:
        """Run one slice of retention when it is due."""
        now = time.monotonic()
        if self._sweep is None:
            if now < self._next_sweep:
                return
            self._sweep = Sweep(self._log, int(self._log.clock()))
        end = now + self._settings.slice_seconds
        try:
            complete = self._sweep.advance(self._connection, lambda: time.monotonic() >= end)
            if complete:
                cut_back(self._connection, self._log)
        except (sqlite3.Error, OSError) as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                return
            complete = True
            _logger.warning("log_retention_failed", path=str(self._log.path), error=str(error))
        if complete:
            self._sweep = None
            self._next_sweep = time.monotonic() + self._settings.maintenance_seconds
