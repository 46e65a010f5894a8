"""Commands and events of all views, whatever host carries them."""
