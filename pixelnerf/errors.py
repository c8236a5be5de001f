"""The one exception that a user's mistake becomes."""


class UserError(Exception):
    """Bad input from outside: one line that says what is wrong, where, and the way out.

    Entry points print the message and exit non-zero. A bug in this program must never be reported by it.
    """
