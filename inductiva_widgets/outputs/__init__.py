"""The archive of outputs behind a signed link."""
