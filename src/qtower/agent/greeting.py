"""The first words of an agent: whether it can be talked to."""

from __future__ import annotations

import msgspec

from qtower import model
from qtower.errors import AgentError

HELLO = 0
"""The id of the Hello that is sent as the process starts."""

SAME_VERSION = "Install the same version of qtower on both sides."
"""What to do where the agent and the screen do not understand each other."""


class RefusedError(AgentError):
    """This agent cannot be talked to, and starting it again would not help."""


def read_greeting(message: model.Answer | model.Failure) -> model.Welcome:
    """The answer to Hello.

    Raises:
        RefusedError: It refuses, or speaks otherwise than this program.
    """
    if isinstance(message, model.Failure):
        raise RefusedError(message.what, message.next_step)
    try:
        welcome = msgspec.convert(message.body, model.Welcome)
    except msgspec.ValidationError as error:
        raise RefusedError(f"The agent's greeting is strange: {error}.", SAME_VERSION) from None
    if welcome.version != model.PROTOCOL_VERSION:
        raise RefusedError(
            f"The agent ({welcome.program}) speaks version {welcome.version} of the "
            f"protocol, this screen version {model.PROTOCOL_VERSION}.",
            SAME_VERSION,
        )
    return welcome
