"""The command line: `inductiva-widgets`.

Exit codes: 0 right, 1 something failed, 2 wrong usage, 130 interrupted.
"""

from inductiva_widgets.cli.program import main

__all__ = ["main"]
