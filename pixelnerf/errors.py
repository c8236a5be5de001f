"""The exception for users' mistakes."""


class UserError(Exception):
    """Bad input: one line with what is wrong, where, and the way out.

    Entry points print the message and exit non-zero. Never raise it for a bug in this program.
    """
