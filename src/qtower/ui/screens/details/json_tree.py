"""The qobj's JSON as a tree whose branches are read when they are opened."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich.text import Text
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from qtower.errors import QtowerError
from qtower.model import GetJson, JsonChildren, JsonNode
from qtower.text import inert
from qtower.ui.actions import Scope, bindings
from qtower.ui.widgets.asking import ask

PAGE = 200


@dataclass
class Place:
    """A value of the JSON. `more_from` is set on the leaf that stands for children not read yet."""

    path: list[str | int] = field(default_factory=list)
    loaded: bool = False
    more_from: int | None = None


def node_label(node: JsonNode) -> Text:
    """Key or index, and the preview of the value."""
    label = Text(inert(str(node.name), 200) or "(empty)", style="bold", no_wrap=True)
    label.append(f"  {inert(node.preview, 400)}", style="not bold dim")
    return label


class JsonTree(Tree[Place], inherit_bindings=False):
    """Reads at most `PAGE` children at once; "… more" reads the next page."""

    BINDINGS = bindings(Scope.TREE)

    def __init__(self, key: str, *, id: str | None = None) -> None:
        super().__init__(Text("qobj"), data=Place(), id=id)
        self._key = key
        self.guide_depth = 3

    def begin(self) -> None:
        """Opens the root, once."""
        if not self.root.is_expanded:
            self.root.expand()
            self.cursor_line = 0

    def on_tree_node_expanded(self, event: Tree.NodeExpanded[Place]) -> None:
        """Reads the children of a branch the first time it is opened."""
        event.stop()
        place = event.node.data
        if place is not None and not place.loaded:
            place.loaded = True
            self.run_worker(self._read(event.node, place, 0), group="children")

    def on_tree_node_selected(self, event: Tree.NodeSelected[Place]) -> None:
        """Enter on "… more" reads the next page in its place."""
        place, parent = event.node.data, event.node.parent
        if place is None or place.more_from is None or parent is None or place.loaded:
            return
        place.loaded = True
        self.run_worker(self._read(parent, place, place.more_from, event.node), group="children")

    def action_open(self) -> None:
        """Opens the branch under the cursor."""
        node = self.cursor_node
        if node is not None and node.allow_expand:
            node.expand()

    def action_close(self) -> None:
        """Closes the branch under the cursor, or goes to the one that holds it."""
        node = self.cursor_node
        if node is None:
            return
        if node.is_expanded:
            node.collapse()
        elif node.parent is not None:
            self.move_cursor(node.parent)

    async def _read(
        self,
        parent: TreeNode[Place],
        place: Place,
        offset: int,
        more: TreeNode[Place] | None = None,
    ) -> None:
        request = GetJson(key=self._key, path=place.path, offset=offset, limit=PAGE)
        try:
            children = await ask(self, request, JsonChildren)
        except QtowerError as error:
            place.loaded = False
            if more is None:
                parent.collapse()
            self.notify(str(error), title=error.title, severity="error", markup=False)
            return
        if more is not None:
            more.remove()
        self._add(parent, children)
        if more is not None and parent.children:
            first_new = parent.children[min(offset, len(parent.children) - 1)]
            # A new node has no line before the tree is drawn.
            self.call_after_refresh(self.move_cursor, first_new)

    def _add(self, parent: TreeNode[Place], children: JsonChildren) -> None:
        for node in children.nodes:
            place = Place([*children.path, node.name])
            parent.add(node_label(node), place, allow_expand=node.opens)
        seen = children.offset + len(children.nodes)
        if children.nodes and seen < children.total:
            words = Text(f"… {children.total - seen:,} more: Enter reads on", style="italic")
            parent.add_leaf(words, Place(list(children.path), more_from=seen))
