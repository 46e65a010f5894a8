"""The code of the views: sent to a page once, and not again with every widget.

A widget brings a small module, `static/loader.js`, and the name of a model that it shares with all
widgets of its kind. That model has no view; its state is the code. So nothing has to be asked, and
a page that shows a saved state finds the code in it.
"""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import traitlets
from ipywidgets import Widget

__all__ = ["Bundle", "ViewCode", "bundle_of", "code_of", "in_marimo", "loader", "whole_style"]

STATIC = Path(__file__).parent.parent / "static"


@dataclass(frozen=True)
class Bundle:
    """The two modules of a kind of widget, which fit one another only.

    Attributes:
        first: What paints first, with its style.
        parts: What is asked for after that, with gzip.
    """

    first: str
    parts: bytes


class ViewCode(Widget):
    """The model that holds the code of one kind of widget.

    Text, because the widget managers of pages save no bytes of models like this one.

    Attributes:
        name: Of this code and no other: a page imports it once, whatever kernels send it.
        packed: The module that paints first; gzip, then base64.
    """

    name = traitlets.Unicode(read_only=True).tag(sync=True)
    packed = traitlets.Unicode(read_only=True).tag(sync=True)

    def __init__(self, bundle: Bundle) -> None:
        first = bundle.first.encode()
        self.set_trait("name", hashlib.sha256(first).hexdigest()[:16])
        self.set_trait("packed", base64.b64encode(gzip.compress(first, mtime=0)).decode())
        super().__init__()


_codes: dict[str, ViewCode] = {}
_lock = threading.Lock()


def code_of(kind: str) -> ViewCode:
    """The model with the code of a kind of widget (`monitor`, `table`); never a closed one."""
    with _lock:
        known = _codes.get(kind)
        if known is None or known.comm is None:
            known = _codes[kind] = ViewCode(bundle_of(kind))
        return known


def in_marimo() -> bool:
    """Whether this is a notebook of marimo, which shows widgets by their bundles."""
    marimo = sys.modules.get("marimo")
    return marimo is not None and bool(marimo.running_in_notebook())


@functools.cache
def bundle_of(kind: str) -> Bundle:
    """The modules of a kind of widget, both read at the same time."""
    parts = gzip.compress((STATIC / f"{kind}-parts.js").read_bytes(), mtime=0)
    return Bundle((STATIC / f"{kind}.js").read_text(encoding="utf-8"), parts)


@functools.cache
def loader() -> str:
    """The module that every widget brings."""
    return (STATIC / "loader.js").read_text(encoding="utf-8")


@functools.cache
def whole_style() -> str:
    """The style of all views."""
    return (STATIC / "widget.css").read_text(encoding="utf-8")
