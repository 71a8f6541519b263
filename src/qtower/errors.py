"""Every error a person sees.

QtowerError             a title, what happened, what to do next
+- ConfigError          the configuration file, an account or a token file is wrong
+- ServiceError         the local service did not start, stop or answer
+- AccountError         login was refused, or the endpoint is no IBM Quantum Experience
+- NetworkError         the endpoint did not answer in time, or dropped the line
+- NotFoundError        no such job, experiment, backend or file
+- SubmissionError      a file or a field of a submission is wrong; nothing was sent
+- JobStateError        the job is not in a state that has what was asked for
|  +- GoneError         it had it once: the endpoint has removed it
|     +- ReadBeforeError  it could be read once, and somebody has
+- ReadOnlyError        it would change something, and nothing is to be changed
+- StorageError         the journal or a file could not be read or written
+- AgentError           the agent died, or speaks another version of the protocol
"""

from __future__ import annotations


class QtowerError(Exception):
    """An error with words for the person at the terminal.

    Args:
        what: One sentence that says what was wrong. Never holds a secret.
        next_step: What to do about it, as one sentence; may be empty.
    """

    title = "Something went wrong"

    def __init__(self, what: str, next_step: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.what} {self.next_step}".strip()


class ConfigError(QtowerError):
    """The configuration file, an account in it, or a token file is wrong."""

    title = "Configuration"


class ServiceError(QtowerError):
    """The local service did not start, stop or answer."""

    title = "Local service"


class AccountError(QtowerError):
    """Login was refused, or the endpoint does not speak the IBM Quantum Experience API."""

    title = "Account"


class NetworkError(QtowerError):
    """The endpoint did not answer in time, refused, or dropped the line."""

    title = "Network"


class NotFoundError(QtowerError):
    """There is no such job, experiment, backend or file."""

    title = "Not found"


class SubmissionError(QtowerError):
    """A file or a field of a submission is wrong; nothing was sent."""

    title = "Submission"


class JobStateError(QtowerError):
    """The job is not in a state that has what was asked for."""

    title = "Job"


class GoneError(JobStateError):
    """The job once had what was asked for, and the endpoint has removed it."""

    title = "Removed"


class ReadBeforeError(GoneError):
    """The endpoint gives out the result once, and somebody has read it."""

    title = "Read before"


class ReadOnlyError(QtowerError):
    """What was asked would change something at the account, which is only to be looked at."""

    title = "Read-only"

    @classmethod
    def at(cls, account_name: str, what: str) -> ReadOnlyError:
        """The error of a request at a read-only account; `what` does not happen, in words."""
        return cls(
            f'The account "{account_name}" is read-only here: {what}.',
            "Leave out --read-only, or remove read-only from its entry in config.toml.",
        )


class StorageError(QtowerError):
    """The journal or a file could not be read or written."""

    title = "Storage"


class AgentError(QtowerError):
    """The agent died, or speaks another version of the protocol."""

    title = "Agent"
