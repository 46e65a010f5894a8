"""Task: one simulation, by its id and the service that it runs on."""

from inductiva_widgets.task.task import Task

__all__ = ["Task"]
