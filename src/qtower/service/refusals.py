"""What the service answers when it does not do what was asked.

Each answer is `{"error": {"message", "code", "name"}}`. The client shows message and code; codes
that it acts upon (3458) are IBM's own.
"""

from __future__ import annotations


class RefusalError(Exception):
    """A request that is refused with a 4xx status.

    Args:
        status: The HTTP status.
        code: Four digits, shown to the person by the client.
        name: A word in capitals for programs.
        message: One sentence, without the full stop that the client adds. Never holds a secret.
    """

    def __init__(self, status: int, code: int, name: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.name = name
        self.message = message


def login_failed() -> RefusalError:
    """The API token is not a user's."""
    return RefusalError(401, 3446, "LOGIN_FAILED", "Login failed: the API token is not valid")


def not_signed_in() -> RefusalError:
    """There is no access token, or it is unknown or too old."""
    return RefusalError(
        401, 3401, "INVALID_ACCESS_TOKEN", "The access token is missing, wrong or has expired"
    )


def metrics_closed() -> RefusalError:
    """The metrics are shown to those who have their token, and there it is missing or wrong."""
    return RefusalError(
        401, 3402, "METRICS_CLOSED", "The metrics need the token of --metrics-token-file"
    )


def bad_request(message: str) -> RefusalError:
    """The request is not what the API takes."""
    return RefusalError(400, 3200, "BAD_REQUEST", message)


def too_large(limit: int) -> RefusalError:
    """The body has more than `limit` bytes."""
    return RefusalError(413, 3413, "TOO_LARGE", f"The request is larger than {limit:,} bytes")


def too_slow() -> RefusalError:
    """The request did not come in time."""
    return RefusalError(408, 3408, "TOO_SLOW", "The request did not come in time")


def overloaded() -> RefusalError:
    """There are too many connections, and all of them are busy."""
    return RefusalError(503, 3503, "OVERLOADED", "The service has too many connections; try again")


def store_away() -> RefusalError:
    """The database, or the disk, does not take or give anything at present."""
    message = "The service cannot reach its store at present; try again"
    return RefusalError(503, 3504, "STORE_AWAY", message)


def no_such_place() -> RefusalError:
    """The hub, group and project are not the user's."""
    return RefusalError(404, 3410, "PROJECT_NOT_FOUND", "There is no such hub, group and project")


def no_such_backend() -> RefusalError:
    """There is no backend of that name."""
    return RefusalError(404, 3420, "BACKEND_NOT_FOUND", "Backend not found")


def no_such_job() -> RefusalError:
    """There is no such job, or it is somebody else's."""
    return RefusalError(404, 3250, "JOB_NOT_FOUND", "Job not found")


def no_qobj() -> RefusalError:
    """The job's qobj never came."""
    return RefusalError(404, 3251, "QOBJ_NOT_FOUND", "The qobj of this job was not uploaded")


def no_result() -> RefusalError:
    """The job has no result, or not yet."""
    return RefusalError(404, 3252, "RESULT_NOT_FOUND", "This job has no result")


def payloads_removed(date: str) -> RefusalError:
    """The job ended so long ago that only its description is left."""
    return RefusalError(
        410, 3253, "PAYLOADS_REMOVED", f"The qobj and result of this job were removed at {date}"
    )


def read_before() -> RefusalError:
    """The result is given out once, and was."""
    return RefusalError(
        400, 2801, "RESULT_READ_BEFORE", "The result of this job could be read once, and has been"
    )


def upload_refused(status: str) -> RefusalError:
    """The job takes no qobj any more."""
    return RefusalError(409, 3409, "UPLOAD_REFUSED", f"This job takes no upload: it is {status}")


def bad_signature() -> RefusalError:
    """A storage address that was changed, or is too old."""
    return RefusalError(403, 3403, "SIGNATURE_REFUSED", "This address is not valid, or has expired")


def job_limit_reached(limit: int) -> RefusalError:
    """The user has as many unfinished jobs on the backend as are allowed."""
    return RefusalError(
        400, 3458, "JOB_LIMIT_REACHED", f"The limit of {limit} unfinished jobs has been reached"
    )
