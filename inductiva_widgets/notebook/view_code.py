"""The code of the views: sent to a page once, and not again with every widget.

A widget brings a small module, `static/loader.js`, and the name of a model that it shares with all
widgets of its kind. That model has no view; its state is the code. So nothing has to be asked. A
notebook in which the state of widgets is saved has the name of the code only.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import threading
from dataclasses import dataclass
from pathlib import Path

import traitlets
from ipywidgets import Widget

__all__ = ["Bundle", "ViewCode", "bundle_of", "code_of", "first_text", "loader", "whole_style"]

STATIC = Path(__file__).parent.parent / "static"


@dataclass(frozen=True)
class Bundle:
    """The two modules of a kind of widget, which fit one another only; each with gzip.

    Attributes:
        first: What paints first, with its style.
        parts: What is asked for after that.
        name: Of `first` and no other: a page imports it once, whatever kernels send it.
    """

    first: bytes
    parts: bytes
    name: str


class ViewCode(Widget):
    """The model that holds the code of one kind of widget: what its bundle paints first, packed.

    Bytes, because the widget managers of pages save none of models like this one: a notebook shall
    not grow by the code.
    """

    name = traitlets.Unicode(read_only=True).tag(sync=True)
    packed = traitlets.Bytes(read_only=True).tag(sync=True)

    def __init__(self, bundle: Bundle) -> None:
        self.set_trait("name", bundle.name)
        self.set_trait("packed", bundle.first)
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


@functools.cache
def bundle_of(kind: str) -> Bundle:
    """The modules of a kind of widget, both read at the same time."""
    first, parts = ((STATIC / f"{name}.js.gz").read_bytes() for name in (kind, f"{kind}-parts"))
    return Bundle(first, parts, name=hashlib.sha256(first).hexdigest()[:16])


def first_text(kind: str) -> str:
    """What paints first, as text."""
    return gzip.decompress(bundle_of(kind).first).decode()


@functools.cache
def loader() -> str:
    """The module that every widget brings."""
    return (STATIC / "loader.js").read_text(encoding="utf-8")


@functools.cache
def whole_style() -> str:
    """The style of all views."""
    return (STATIC / "widget.css").read_text(encoding="utf-8")
