"""What ends a program other than a bug: a user's mistake, or a signal."""


class UserError(Exception):
    """Bad input: one line with what is wrong, where, and the way out.

    Entry points print the message and exit non-zero. Never raise it for a bug in this program.
    """


FAILED_FILE = "failed.txt"
"""Why a sweep's point failed, in its folder."""


class PointFailedError(Exception):
    """A sweep's point has failed, and the others go on; `status` is the exit status that it stands for."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message, status)
        self.status = status

    def __str__(self) -> str:
        return self.args[0]


class StoppedBySignal(KeyboardInterrupt):
    """A signal stopped the work, which is saved: the message says how to continue.

    Entry points exit with 128 plus the signal's number, as a shell reports it: 130 for Ctrl-C's SIGINT, 143 for
    SIGTERM, 138 for SIGUSR1.
    """

    def __init__(self, message: str, number: int) -> None:
        # Both, because a sweep's processes hand it over as its class and arguments.
        super().__init__(message, number)
        self.number = number

    def __str__(self) -> str:
        return self.args[0]
