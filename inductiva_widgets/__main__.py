"""`python -m inductiva_widgets` is the program `inductiva-widgets`."""

from inductiva_widgets.cli import main

main()
