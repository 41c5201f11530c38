"""Run a program that cannot outlive the process which started it.

    python -I -S leash.py PROGRAM ARGUMENT...

Standard input is the leash: a pipe whose other end only the starting process holds. This process
forks a watcher and then becomes PROGRAM, under the same process id. When the pipe closes, because
the starter closed it or ended in whatever way, `kill -9` included, the watcher kills PROGRAM.
A fork of the starter that runs no other program holds the pipe as well: the last of them counts.

Ruled out: Linux's PR_SET_PDEATHSIG. It fires when the *thread* that started the program ends, so
that a broker restarted from a worker thread would die with the thread; and it needs a `preexec_fn`.
"""

import os
import select
import signal
import sys

LOOK_SECONDS = 5.0


def leashed(command: list[str]) -> list[str]:
    """Return the command that runs another on a leash, which is to be its standard input."""
    return [sys.executable, "-I", "-S", __file__, *command]


def watch(program: int) -> None:
    """Wait until standard input closes and then kill the program; return early where it is gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.getppid() == program:
        readable, _, _ = select.select([0], [], [], LOOK_SECONDS)
        if readable and not os.read(0, 1):
            break
    if os.getppid() == program:  # and not a stranger who has got its number since
        os.kill(program, signal.SIGKILL)


def main(command: list[str]) -> None:
    """Fork the watcher and become the program."""
    program = os.getpid()
    if os.fork() == 0:
        devnull = os.open(os.devnull, os.O_RDWR)
        for output in (1, 2):
            os.dup2(devnull, output)
        watch(program)
        os._exit(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.execv(command[0], command)  # noqa: S606  # what our own caller asks for


if __name__ == "__main__":
    main(sys.argv[1:])
