"""What all records and messages have in common."""

from __future__ import annotations

import msgspec

PROTOCOL_VERSION = 1


class Struct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of the plain records."""
