"""A job's qobj: its head, an experiment drawn, its JSON as a tree."""

from __future__ import annotations

from qtower.model.base import Struct
from qtower.model.details import Field


class QobjHead(Struct, frozen=True, kw_only=True):
    """A job's qobj, without its experiments."""

    key: str
    qobj_id: str
    kind: str  # "QASM" or "PULSE"
    schema_version: str
    config: list[Field]
    experiments: list[str]  # names, in order
    size: int  # bytes of its JSON


class Drawing(Struct, frozen=True, kw_only=True):
    """One experiment of a qobj drawn as text, `width` columns wide where it can be folded."""

    key: str
    experiment: int
    text: str


class JsonNode(Struct, frozen=True, kw_only=True):
    """A child of a JSON value: its key or index, a one-line preview, and whether it opens."""

    name: str | int
    preview: str
    opens: bool


class JsonChildren(Struct, frozen=True, kw_only=True):
    """The children of the value at `path`, at most a page of them."""

    key: str
    path: list[str | int]
    total: int
    offset: int
    nodes: list[JsonNode]
