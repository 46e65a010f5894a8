"""A notebook in the browser, driven as a user would: words for tests that read as stories."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

if TYPE_CHECKING:
    from pathlib import Path

RUN_TIMEOUT_MS = 120_000
# A cell that keeps its kernel busy until `Notebook.release`, whatever else the machine has to do.
BUSY = """import pathlib, time
released, end = pathlib.Path("released"), time.monotonic() + 100
while not released.exists() and time.monotonic() < end: pass
released.unlink(missing_ok=True)"""
_ENDED = """number => {
  const cell = document.querySelectorAll('.jp-Notebook .jp-CodeCell')[number];
  return /^\\[\\d+\\]:?$/.test(cell.querySelector('.jp-InputPrompt').textContent.trim());
}"""
# A cell that is run before the kernel has answered is dropped without a word.
_OPEN = "() => !!window.jupyterapp?.shell?.currentWidget?.sessionContext"
_ANSWERED = """async () => {
  const context = window.jupyterapp.shell.currentWidget.sessionContext;
  await context.ready;
  await context.session.kernel.info;
}"""
_IDLE = """() => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel;
  return kernel?.status === 'idle' && kernel.connectionStatus === 'connected';
}"""


def open_panel(page, lab):
    """JupyterLab with nothing open, and its panel of tasks."""
    page.goto(f"{lab.url}/lab?token={lab.token}&reset")
    page.wait_for_function("() => !!window.jupyterapp?.shell?.currentWidget")
    page.evaluate("() => window.jupyterapp.shell.activateById('inductiva-widgets-tasks')")
    return page.locator("#inductiva-widgets-tasks")


def write_notebook(path: Path, *cells: str) -> None:
    """A notebook of code cells."""
    code = [new_code_cell(source) for source in cells]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=code, metadata={"kernelspec": kernel}), path)


class Notebook:
    """The notebook shown by a page."""

    def __init__(self, page, lab, name: str) -> None:
        self.page = page
        self._lab = lab
        page.goto(lab.address(name))
        page.wait_for_function(_OPEN, timeout=60_000)
        self.wait_for_kernel()

    def wait_for_kernel(self) -> None:
        """Waits until the kernel, perhaps a new one, can run cells."""
        self.page.evaluate(_ANSWERED)
        self.page.wait_for_function(_IDLE)

    def cell(self, number: int):
        """A cell by its position, code and text cells alike."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(number)

    def code(self, number: int):
        """A code cell by its position among the code cells."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(number)

    def start(self, number: int) -> None:
        """Runs a code cell without waiting for its end."""
        self.code(number).locator(".jp-InputArea-prompt").click()
        self.page.keyboard.press("Shift+Enter")

    def run(self, number: int, timeout_ms: int = RUN_TIMEOUT_MS) -> None:
        """Runs a code cell and waits for its end; an error in it fails the test."""
        self.start(number)
        self.finish(number, timeout_ms)

    def finish(self, number: int, timeout_ms: int = RUN_TIMEOUT_MS) -> None:
        """Waits until a started code cell has ended."""
        self.page.wait_for_function(_ENDED, arg=number, timeout=timeout_ms)
        errors = self.code(number).locator(
            '.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"]'
        )
        assert not errors.count(), errors.first.inner_text()

    def release(self, number: int) -> None:
        """Ends a `BUSY` code cell."""
        (self._lab.root / "released").touch()
        self.finish(number)

    def is_running(self, number: int) -> bool:
        """Whether a code cell shows the star of a running one."""
        return "*" in self.code(number).locator(".jp-InputPrompt").inner_text()

    def monitor(self, number: int):
        """The TaskMonitor in a code cell's output."""
        return self.code(number).locator(".iw").first
