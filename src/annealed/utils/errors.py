"""The errors that a command line turns into one sentence and an exit status."""


class UsageError(Exception):
    """Something the user can put right: a bad key, missing data, a bad folder. Exit status 2."""

    status = 2


class Lost(Exception):
    """A process that trained beside this one ended on its own. Exit status 1: worth another try."""

    status = 1


class Diverged(Exception):
    """A bound stopped being finite; the last good checkpoint is kept. Exit status 3."""

    status = 3


class InUse(UsageError):
    """Another process holds the folder; a scheduler waits for it. Exit status 4."""

    status = 4
