"""Commands and events that every view speaks, whatever carries them."""
