"""Guards broken on purpose, one at a time: each must turn at least one test red.

`make mutations` runs it and writes the result into `docs/reliability.md`. Package and tests are
copied to a temporary folder and changed there; the working tree is never touched.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import reliability

ROOT = Path(__file__).parents[1]
PACKAGE = "inductiva_widgets"
# What tests read beside the package.
COPIED = (PACKAGE, "tests", "docs", "js/src", "js/test", "pyproject.toml", "README.md")
RED, GREEN = 1, 0  # exit codes of pytest: some test failed, all passed; others mean that none ran
TIME_LIMIT_S = 300


@dataclass(frozen=True)
class Mutation:
    """One guard: text of a module that is replaced, and the fewest tests that should see it."""

    guard: str
    module: str
    old: str
    new: str
    tests: str
    also: tuple[str, str, str] | None = None  # module, old, new of a second guard of the same


MUTATIONS = (
    Mutation(
        "a newer key is taken for its own address only",
        "api/config.py",
        "if now is not None and now.url == config.url:",
        "if now is not None:",
        "unit/test_config.py::test_a_key_of_another_address_is_not_taken",
    ),
    Mutation(
        "a later connect gives its key to its own address only",
        "backend.py",
        "if newest is not None and newest.config.url == config.url:",
        "if newest is not None:",
        "unit/test_config.py"
        "::test_a_given_key_is_replaced_by_a_later_connect_to_the_same_address_only",
    ),
    Mutation(
        "nothing is asked with a refused key",
        "watch.py",
        "if self._refused and not self._has_new_key():",
        "if False:",
        "unit/test_watch.py::test_another_key_is_noticed_by_itself_and_not_asked_for",
    ),
    Mutation(
        "a verified file that cannot be renamed is kept",
        "outputs/temporary.py",
        "        if self._is_kept:\n            return\n",
        "",
        "unit/test_download_oddities.py"
        "::test_an_archive_whose_rename_stays_refused_is_kept_and_named",
    ),
    Mutation(
        "a verified small file that cannot be renamed is kept",
        "outputs/folder.py",
        "        except RenameRefusedError:\n            raise\n",
        "",
        "unit/test_download_oddities.py"
        "::test_a_rename_that_stays_refused_keeps_the_old_file_and_names_the_new",
    ),
    Mutation(
        "the server tells its version",
        "lab/backends.py",
        '            "version": __version__,\n',
        "",
        "functional/mistakes/test_local_mistakes.py::test_older_server_extension",
    ),
    Mutation(
        "CRC-32 of a member",
        "outputs/inflate.py",
        "if self._crc & 0xFFFFFFFF != self.member.crc:",
        "if False:",
        "unit/test_extract.py::test_declared_size_and_crc_must_be_met",
    ),
    Mutation(
        "CRC-32 of a small member that is unpacked at once",
        "outputs/inflate.py",
        "if len(content) != member.size or crc32(content, 0) & 0xFFFFFFFF != member.crc:",
        "if len(content) != member.size:",
        "unit/test_output_fuzz.py functional/test_outputs_hostile.py::test_all_files",
    ),
    Mutation(
        "size of a member",
        "outputs/inflate.py",
        "if self.written != self.member.size:",
        "if False:",
        "unit/test_extract.py::test_declared_size_and_crc_must_be_met",
    ),
    Mutation(
        "stop at the declared size",
        "outputs/inflate.py",
        "if self.written > self.member.size:",
        "if False:",
        "functional/test_outputs_hostile.py::test_all_files",
    ),
    Mutation(
        "end of a DEFLATE stream",
        "outputs/inflate.py",
        "if inflater.eof and (pending or inflater.unused_data or self._left):",
        "if False:",
        "unit/test_extract.py::test_a_stream_must_end_exactly_at_its_last_byte",
    ),
    Mutation(
        "local header against the directory",
        "outputs/archive.py",
        "if local != listed and not later and not elsewhere:",
        "if False:",
        "unit/test_archive.py::test_local_header_that_contradicts_the_directory_is_corrupt",
    ),
    Mutation(
        "names that lead out of the folder",
        "outputs/names.py",
        'if ".." in re.split(r"[/\\\\]", name):',
        "if False:",
        "unit/test_extract.py::test_names_that_lead_elsewhere_are_refused",
    ),
    Mutation(
        "links and devices as members",
        "outputs/names.py",
        "if kind not in (0, expected):",
        "if False:",
        "unit/test_extract.py::test_links_and_devices_are_refused",
    ),
    Mutation(
        "O_NOFOLLOW when folders are opened",
        "outputs/folder.py",
        'getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)',
        'getattr(os, "O_CLOEXEC", 0)',
        "unit/test_extract.py::test_a_planted_link_is_not_followed",
    ),
    Mutation(
        "a new file takes nobody's name",
        "outputs/folder.py",
        "        if self._fd is not None and rename_if_absent(self._fd, old, new):\n"
        "            return\n"
        "        if self.mode(new) is not None:\n"
        "            raise FileExistsError(new)\n",
        "",
        "unit/test_extract.py::test_what_appears_meanwhile_is_not_replaced",
    ),
    Mutation(
        "marked name until the last byte",
        "outputs/temporary.py",
        "self._name = folder.temporary_name(number)",
        "self._name = parts[-1]",
        "unit/test_extract.py::test_until_the_last_byte_there_is_only_a_marked_name",
    ),
    Mutation(
        "room before the start",
        "outputs/folder.py",
        "if needed_bytes and needed_bytes > (free := self.free_bytes()):",
        "if (free := 0) and needed_bytes:",
        "functional/test_outputs_disk.py::test_too_little_room_is_told_before_any_byte_of_a_member",
    ),
    Mutation(
        "pin of a version: If-Match",
        "outputs/remote.py",
        'headers["If-Match"] = version.etag',
        "pass",
        "unit/test_download.py::test_an_archive_replaced_in_between_is_begun_again_once_and_never_mixed",
    ),
    Mutation(
        "pin of a version: the tag of an answer",
        "outputs/remote.py",
        "if self.etag is not None and etag is not None and etag != self.etag:",
        "if False:",
        "unit/test_download_oddities.py"
        "::test_another_archive_of_that_size_is_noticed_where_conditions_mean_nothing",
    ),
    Mutation(
        "pin of what an earlier download left",
        "outputs/journal.py",
        'if json.loads(file.read(1000)) != {"pin": pin}:',
        "if False:",
        "unit/test_download_oddities.py"
        "::test_without_a_tag_what_was_kept_of_another_archive_of_that_size_is_not_used",
    ),
    Mutation(
        "range that was asked for",
        "outputs/remote.py",
        "if (start, end) != (wanted.start, wanted.end):",
        "if False:",
        "unit/test_download.py::test_a_range_that_was_not_asked_for_is_not_used",
    ),
    Mutation(
        "drops from a storage",
        "outputs/remote.py",
        "if received - slow_since_bytes < least:",
        "if False:",
        "unit/test_download.py::test_a_drip_is_left_and_told_in_the_end",
    ),
    Mutation(
        "redirects of a link inward",
        "api/links.py",
        "        or inward\n",
        "",
        "unit/test_http.py::test_a_redirect_never_leads_inward_or_from_https_to_http",
    ),
    Mutation(
        "the key goes to the configured origin only",
        "api/sessions.py",
        "        def get_redirect_target(self, resp: requests.Response) -> None:\n",
        "        def _unused(self, resp: requests.Response) -> None:\n",
        "unit/test_http.py::test_a_redirect_of_the_service_is_refused_and_the_key_is_not_sent_on",
        also=("api/http.py", "allow_redirects=False", "allow_redirects=True"),
    ),
    Mutation(
        "time limits of requests",
        "api/http.py",
        "timeout=(self._timeouts.connect_s, self._timeouts.read_s)",
        "timeout=None",
        "unit/test_http.py::test_a_service_that_never_answers_is_a_timeout_with_and_without_retries",
    ),
    Mutation(
        "size limit of answers",
        "api/http.py",
        "if size > limit_bytes:",
        "if False:",
        "unit/test_http.py::test_an_answer_beyond_the_limit_is_refused",
    ),
    Mutation(
        "redaction of the key and of signatures",
        "api/http.py",
        'return _SIGNED.sub(r"\\1?…", self._credentials.redact(text))',
        "return text",
        "unit/test_http.py::test_the_key_is_in_no_text_and_no_log",
    ),
    Mutation(
        "signatures in the log of the HTTP library",
        "api/sessions.py",
        "if behind_link.get() and isinstance(record.args, tuple):",
        "if False:",
        "unit/test_http.py::test_a_signed_link_is_in_no_text_no_chain_and_no_log",
    ),
    Mutation(
        "key file for its owner alone",
        "api/config.py",
        "os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)",
        "os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)",
        "unit/test_config.py::test_a_key_is_kept_for_this_user_alone_and_without_a_newline",
    ),
    Mutation(
        "plain http to other machines",
        "api/config.py",
        'if parts.scheme == "http" and not is_loopback(parts.hostname):',
        "if False:",
        "unit/test_config.py::test_an_address_that_cannot_work_is_refused_without_showing_secrets",
    ),
    Mutation(
        "form of an id, before any request",
        "api/client.py",
        "if not plain or len(text) > _ID_LIMIT:",
        "if False:",
        "functional/test_tasks.py::test_a_bad_id_is_refused_and_no_request_leaves",
    ),
    Mutation(
        "most pages of a list",
        "tasks/paging.py",
        "for number in range(2, self._page_limit + 1):",
        "for number in range(2, 40):",
        "functional/test_tasks.py::test_a_list_without_end_is_given_up",
    ),
    Mutation(
        "question before a kill",
        "cli/console.py",
        'return answer.strip().lower() in ("y", "ye", "yes")',
        'return answer.strip().lower() not in ("n", "no")',
        "unit/test_cli_commands.py::test_all_else_is_no",
    ),
    Mutation(
        "a kill is confirmed by the service",
        "task/task.py",
        "return outcome(record.status) if record else KillOutcome.PENDING",
        "return KillOutcome.KILLED",
        "functional/test_tasks.py::test_a_kill_without_confirmation_is_never_called_done",
    ),
    Mutation(
        "a call that is repeated runs once",
        "notebook/service_widget.py",
        "            if call_id in self._answers:\n",
        "            if False:\n",
        "functional/test_widgets.py::test_the_same_call_from_many_threads_runs_once",
    ),
    Mutation(
        "a listener that leaves hears nothing more",
        "service/events.py",
        "        self._closed = True\n        self._hub.remove(self)",
        "        pass",
        "unit/test_events.py",
    ),
    Mutation(
        "escape of HTML in a card",
        "notebook/card.py",
        "from html import escape",
        "escape = str",
        "unit/test_card.py::test_names_from_elsewhere_stay_text_and_within_eight_kilobytes",
    ),
    Mutation(
        "formulas in a CSV",
        "history/files.py",
        """return f"'{text}" if text.startswith((*_FORMULA, "'")) else text""",
        "return text",
        "unit/test_history.py::test_no_cell_of_a_csv_is_a_formula",
    ),
    Mutation(
        "downloads of a server stay below its root",
        "service/targets.py",
        "        if not is_inside:",
        "        if False:",
        "functional/test_lab.py::test_a_link_that_leads_outside_is_refused",
    ),
    Mutation(
        "login of the routes in JupyterLab",
        "lab/handlers.py",
        "    @web.authenticated\n    @authorized\n    async def post(self) -> None:\n"
        "        header, buffers = self._frame()",
        "    async def post(self) -> None:\n        header, buffers = self._frame()",
        "functional/test_lab_access.py::test_every_route_asks_for_a_login_and_the_authorizer",
    ),
    Mutation(
        "Host header at the engine",
        "local/guard.py",
        '        if [host.lower() for host in headers.getlist("host")] not in [\n'
        "            [host] for host in self._hosts\n"
        "        ]:",
        "        if False:",
        "functional/test_engine_guard.py::test_other_host_names_are_refused",
    ),
    Mutation(
        "Origin header at the engine",
        "local/guard.py",
        'if any(origin not in self._origins for origin in headers.getlist("origin")):',
        "if False:",
        "functional/test_engine_guard.py::test_pages_of_other_sites_are_refused_even_with_the_key",
    ),
    Mutation(
        "key at the engine",
        "local/guard.py",
        "return sum(hmac.compare_digest(raw, key) for key in self._keys) > 0",
        "return bool(raw)",
        "functional/test_engine_guard.py::test_every_other_route_wants_the_key",
    ),
)


def copy_of_all(place: Path) -> None:
    for name in COPIED:
        source, target = ROOT / name, place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "screenshots", "labextension")
            shutil.copytree(source, target, ignore=ignored)
        else:
            shutil.copy(source, target)


def run(place: Path, tests: list[str]) -> tuple[int, str]:
    """Exit code and output of pytest on the copy, in a process of its own."""
    # `-m` puts the working folder, the copy, before the package that is installed.
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "--durations=0", *(f"tests/{test}" for test in tests)],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_S,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def break_one(place: Path, mutation: Mutation) -> str:
    """`red` when a test saw it; the modules are whole again afterwards."""
    first = (mutation.module, mutation.old, mutation.new)
    changes = [first, mutation.also] if mutation.also else [first]
    whole = {module: (place / PACKAGE / module).read_text("utf-8") for module, *_ in changes}
    if any(whole[module].count(old) != 1 for module, old, _ in changes):
        return "changed"  # the guard looks different now: this list has to follow
    try:
        for module, old, new in changes:
            (place / PACKAGE / module).write_text(whole[module].replace(old, new), "utf-8")
        code, _ = run(place, mutation.tests.split())
    finally:
        for module, text in whole.items():
            (place / PACKAGE / module).write_text(text, "utf-8")
    return {RED: "red", GREEN: "green"}.get(code, f"exit-code-{code}")


def main(words: list[str]) -> int:
    chosen = [m for m in MUTATIONS if not words or any(word in m.guard for word in words)]
    lines = ["| | Guard | Module | Tests | Result |", "|---|---|---|---|---|"]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        copy_of_all(place)
        code, said = run(place, sorted({test for m in chosen for test in m.tests.split()}))
        if code != GREEN:
            sys.stdout.write(f"{said}\nSome tests fail already, with all guards whole.\n")
            return 1
        for number, mutation in enumerate(chosen, 1):
            results.append(break_one(place, mutation))
            sys.stdout.write(f"{results[-1]:8} {mutation.guard}\n")
            sys.stdout.flush()
            tests = "<br>".join(f"`{test}`" for test in mutation.tests.split())
            cells = (str(number), mutation.guard, f"`{mutation.module}`", tests, results[-1])
            lines.append(f"| {' | '.join(cells)} |")
    if not words:
        reliability.write_block(reliability.PAGE, "mutations", "\n".join(lines))
    return int(set(results) != {"red"})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
