"""Files, logs and machine of a task while it runs."""

from inductiva_widgets.live.following import Following, LiveEnd, LiveState
from inductiva_widgets.live.lines import LiveLines
from inductiva_widgets.live.live import Live
from inductiva_widgets.live.records import LastModified, LiveFile, LiveFiles

__all__ = [
    "Following",
    "LastModified",
    "Live",
    "LiveEnd",
    "LiveFile",
    "LiveFiles",
    "LiveLines",
    "LiveState",
]
