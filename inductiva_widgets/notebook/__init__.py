"""The notebook host: widgets and display."""
