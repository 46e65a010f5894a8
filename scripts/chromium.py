"""Makes sure that the browser of the tests is there; installs Debian's when it may."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
COMMAND = "apt-get install -y chromium"


def main() -> int:
    """0 when a browser is there."""
    if any(shutil.which(name) for name in NAMES):
        return 0
    may_install = os.environ.get("CI") == "true" or (hasattr(os, "geteuid") and os.geteuid() == 0)
    if may_install and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in ("apt-get update -qq", COMMAND + " -qq"):
            subprocess.run(command.split(), check=True, env=environment)  # noqa: S603 - fixed words
        return 0
    print(f"The browser tests need Chromium. Install it with:  sudo {COMMAND}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
