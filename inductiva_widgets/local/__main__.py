"""`python -m inductiva_widgets.local`: the engine in the foreground, with all of its options."""

from __future__ import annotations

import argparse
import logging
import sys

from inductiva_widgets.errors import EngineBusyError, InductivaWidgetsError
from inductiva_widgets.local.server import BUSY_EXIT_CODE, stop
from inductiva_widgets.local.settings import EngineSettings, data_dir


def main() -> int:
    """Reads the arguments and runs the engine; returns the exit code."""
    arguments = _parser().parse_args()
    if arguments.stop:
        stop(arguments.data_dir)
        return 0
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    settings = EngineSettings(
        data_dir=data_dir(arguments.data_dir),
        slots=arguments.slots,
        link_ttl_s=arguments.link_ttl,
        kill_grace_s=arguments.kill_grace,
        upload_limit_bytes=arguments.upload_limit,
        log_limit_bytes=arguments.log_limit,
        disk_reserve_bytes=arguments.disk_reserve,
    )
    from inductiva_widgets.local.service import run

    try:
        return run(
            settings,
            port=arguments.port,
            json_line=arguments.json,
            parent_pid=arguments.parent_pid,
        )
    except InductivaWidgetsError as error:
        sys.stderr.write(f"{error}\n")
        return BUSY_EXIT_CODE if isinstance(error, EngineBusyError) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m inductiva_widgets.local", description=__doc__)
    add = parser.add_argument
    usual = EngineSettings(data_dir=data_dir("."))
    add("--port", type=int, default=None, help="0: a free one")
    add("--data-dir", default=None, help="folder of the engine")
    add("--slots", type=_positive, default=usual.slots, help="tasks that may run at once")
    add("--json", action="store_true", help="print the address as JSON")
    add("--stop", action="store_true", help="stop the engine of the folder")
    add("--parent-pid", type=int, default=None, help="end when this process ends")
    add("--link-ttl", type=float, default=usual.link_ttl_s, help="life of signed URLs, seconds")
    add("--kill-grace", type=float, default=usual.kill_grace_s, help="seconds from TERM to KILL")
    add("--upload-limit", type=int, default=usual.upload_limit_bytes, help="bytes")
    add("--log-limit", type=int, default=usual.log_limit_bytes, help="bytes")
    add("--disk-reserve", type=int, default=usual.disk_reserve_bytes, help="bytes")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1 is required")
    return number


if __name__ == "__main__":
    sys.exit(main())
