"""The task service over HTTP."""
