"""The cell that comes back: today's truth in yesterday's notebook, with nothing executed."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from notebook import Notebook, write_notebook
from playwright.sync_api import expect
from waiting import wait_until

from inductiva_widgets import backend as backends
from inductiva_widgets import tasks
from inductiva_widgets.api.config import ApiKey, Config

SHOTS = Path(os.environ.get("SCREENSHOTS", Path(__file__).parent / "screenshots"))
CONNECT = "import inductiva_widgets as iw\nbackend = iw.connect()"
SUBSCRIBE = "/inductiva-widgets/api/subscribe"
ROUTES = "**/inductiva-widgets/api/**"
SLEEP = "import time\ntime.sleep(120)\n"
STEPS = """import sys, time
print("a warning", file=sys.stderr, flush=True)
for step in range(1, 2000):
    print(f"step {step} of 2000", flush=True)
    print(f"{step / 20} % complete", flush=True)
    time.sleep(0.1)
"""
KILL = re.compile("Kill")


@pytest.fixture(scope="module")
def backend(engine, tmp_path_factory):
    """The same service, for what happens outside of any notebook."""
    key = ApiKey(engine.read_key())
    folder = tmp_path_factory.mktemp("outside")
    backend = backends.Backend(Config(engine.url, key, "the test", folder, is_local=True))
    yield backend
    backend.close()


@pytest.fixture
def long_task(lab, backend, tmp_path):
    """A task that runs for two minutes unless somebody kills it."""
    (tmp_path / "sleep.py").write_text(SLEEP)
    task = tasks.submit(["python sleep.py"], tmp_path, simulator="long-run", backend=backend)
    yield task
    task.kill()


class Frames:
    """What a page sends to kernels."""

    def __init__(self, page) -> None:
        self.executed = 0
        page.on("websocket", lambda socket: socket.on("framesent", self._sent))

    def _sent(self, frame) -> None:
        data = frame if isinstance(frame, bytes) else frame.encode()
        self.executed += b'"execute_request"' in data


def shown(notebook: Notebook, number: int):
    """The task output of a code cell."""
    return notebook.code(number).locator(".iw-output")


def mode(output, expected: str) -> None:
    expect(output).to_have_attribute("data-mode", expected)


def badge(output, text: str) -> None:
    """What a live view says: a card that has asked nobody begins with "Was"."""
    words = re.compile(rf"^\s*{re.escape(text)}")
    expect(output.locator(".iw-badge").first).to_have_text(words)


def save(page) -> None:
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")


def restart_kernel(page) -> None:
    page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
    )


def displayed(page, lab, name: str, task, *more: str) -> Notebook:
    """A saved notebook whose second cell has shown a task; more cells are not run."""
    write_notebook(lab.root / name, CONNECT, f"iw.Task({task.id!r})", *more)
    notebook = Notebook(page, lab, name)
    notebook.run(0)
    notebook.run(1)
    badge(shown(notebook, 1), "In Progress")
    save(page)
    return notebook


@pytest.mark.fault(100)
def test_a_saved_cell_is_live_after_restart_and_reload_with_nothing_executed(lab, page, long_task):
    notebook = displayed(page, lab, "live.ipynb", long_task)
    mode(shown(notebook, 1), "server")
    restart_kernel(page)
    badge(shown(notebook, 1), "In Progress")

    frames = Frames(page)
    notebook = Notebook(page, lab, "live.ipynb")
    mode(shown(notebook, 1), "server")
    badge(shown(notebook, 1), "In Progress")
    long_task.kill()
    badge(shown(notebook, 1), "Killed")

    assert frames.executed == 0
    assert "model not found" not in page.content()
    assert page.problems == []


def test_a_log_is_followed_paused_and_read_to_its_end(lab, page, backend, tmp_path):
    (tmp_path / "run.py").write_text(STEPS)
    task = tasks.submit(["python run.py"], tmp_path, simulator="steps", backend=backend)
    output = shown(displayed(page, lab, "log.ipynb", task), 1)
    output.get_by_role("tab", name="Logs").click()
    lines = output.locator(".iw-logs")
    expect(lines).to_contain_text(re.compile(r"step \d+ of 2000"))
    expect(output.locator(".iw-follow")).to_contain_text("Following")
    output.get_by_role("button", name="stderr").click()
    expect(lines.locator(".ln.err", has_text="a warning")).to_be_visible()
    output.get_by_role("button", name="Both").click()
    expect(output.locator(".iw-simulated")).to_contain_text("%")

    lines.press("f")
    expect(output.locator(".iw-follow")).to_contain_text("Paused")
    more = output.get_by_role("button", name=re.compile(r"\d new lines?"))
    expect(more).to_be_visible()
    page.screenshot(path=SHOTS / "log-paused.png")
    more.click()
    expect(output.locator(".iw-follow")).to_contain_text("Following")
    output.get_by_role("tab", name="Files").click()
    expect(output.locator(".iw-livelist")).to_contain_text("stdout.txt")
    output.get_by_role("tab", name="Machine").click()
    expect(output.locator(".iw-top-table, .iw-empty").first).to_be_visible()
    output.get_by_role("tab", name="Logs").click()
    expect(lines).to_contain_text("of 2000")

    task.kill()
    badge(output, "Killed")
    expect(output.locator(".iw-follow")).to_have_count(0)
    expect(lines).to_contain_text("of 2000")
    expect(lines.locator(".ln > i").first).to_have_text(re.compile(r"^\d+$"))
    assert page.problems == []


def test_kill_from_a_restored_cell_while_another_one_runs(lab, page, long_task):
    displayed(page, lab, "busy.ipynb", long_task, "import time\ntime.sleep(60)")
    notebook = Notebook(page, lab, "busy.ipynb")
    output = shown(notebook, 1)
    badge(output, "In Progress")
    notebook.start(2)
    expect(notebook.code(2).locator(".jp-InputPrompt")).to_contain_text("*")

    output.get_by_role("button", name="Kill task").first.click()
    question = output.get_by_role("alertdialog")
    expect(question).to_contain_text("local engine")
    question.get_by_role("button", name=KILL).click()
    wait_until(lambda: long_task.get_status() in ("pending-kill", "killed"))
    badge(output, "Killed")
    assert notebook.is_running(2)


@pytest.mark.fault(109)
@pytest.mark.parametrize(
    "blocked",
    [
        pytest.param(ROUTES, id="missing"),
        pytest.param("**/inductiva-widgets/api/backends*", id="older", marks=pytest.mark.full),
    ],
)
def test_a_server_that_cannot_serve_leaves_the_widget_alive(lab, page, long_task, blocked):
    """No extension, or one that is older: its routes answer 404."""
    name = f"blocked-{len(blocked)}.ipynb"
    page.route(blocked, lambda route: route.fulfill(status=404, json={"message": "Not Found"}))
    notebook = displayed(page, lab, name, long_task)
    mode(shown(notebook, 1), "widget")

    notebook = Notebook(page, lab, name)
    mode(shown(notebook, 1), "widget")
    badge(shown(notebook, 1), "In Progress")

    restart_kernel(page)
    output = shown(notebook, 1)
    mode(output, "card")
    expect(output).to_contain_text("HTTP 404")
    expect(output.locator(".iw-badge")).to_have_text("Was In Progress")
    assert "model not found" not in page.content()

    page.unroute(blocked)
    output.get_by_role("button", name="Try again").click()
    mode(output, "server")
    badge(output, "In Progress")


def distrusted(lab, name: str) -> str:
    """A copy that this server has not signed."""
    content = json.loads((lab.root / name).read_text())
    content["cells"][0]["source"] = "'from a stranger'"
    (lab.root / f"strange-{name}").write_text(json.dumps(content))
    return f"strange-{name}"


@pytest.mark.fault(108)
def test_an_untrusted_notebook_shows_and_does_not_act(lab, page, long_task):
    displayed(page, lab, "trust.ipynb", long_task)

    notebook = Notebook(page, lab, distrusted(lab, "trust.ipynb"))
    output = shown(notebook, 1)
    mode(output, "server")
    badge(output, "In Progress")
    expect(output.get_by_role("button", name=KILL)).to_have_count(0)

    page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.content.widgets.forEach("
        "cell => { cell.model.trusted = true; })"
    )
    expect(output.get_by_role("button", name="Kill task")).to_be_visible()


@pytest.mark.full
def test_an_untrusted_notebook_without_a_server_stays_a_card(lab, page, long_task):
    page.route(ROUTES, lambda route: route.fulfill(status=404, json={}))
    name = "trust-card.ipynb"
    displayed(page, lab, name, long_task)

    notebook = Notebook(page, lab, distrusted(lab, name))
    output = shown(notebook, 1)
    expect(output).to_contain_text("HTTP 404")
    mode(output, "card")
    assert "model not found" not in page.content()


class Topics:
    """The streams that a page opened, and what it listens to by now."""

    def __init__(self, page) -> None:
        self.streams = 0
        self.now: list[str] = []
        page.on("request", self._take)

    def _take(self, request) -> None:
        self.streams += "/inductiva-widgets/api/events" in request.url
        if SUBSCRIBE in request.url:
            self.now = request.post_data_json["topics"]

    def have(self, task) -> bool:
        return any(topic.endswith(f"task/{task.id}") for topic in self.now)

    def leave(self, request, task) -> bool:
        """Whether this request is the one after which the page no longer listens to a task."""
        return SUBSCRIBE in request.url and f"task/{task.id}" not in request.post_data


@pytest.mark.full
def test_a_long_notebook_has_one_stream_and_follows_what_is_seen(lab, page, long_task):
    name = "many.ipynb"
    rows = [f"iw.Task({long_task.id!r})" for _ in range(9)]
    write_notebook(lab.root / name, CONNECT, "'\\n' * 400", "print('\\n' * 400)", *rows)
    notebook = Notebook(page, lab, name)
    for number in range(len(rows) + 3):
        notebook.run(number)
    save(page)

    topics = Topics(page)
    notebook = Notebook(page, lab, name)
    first = shown(notebook, 3)
    first.scroll_into_view_if_needed()
    badge(first, "In Progress")
    badge(shown(notebook, 4), "In Progress")
    assert topics.have(long_task)
    with page.expect_request(lambda request: topics.leave(request, long_task)):
        notebook.code(0).scroll_into_view_if_needed()
    expect(first).not_to_be_in_viewport()
    assert topics.streams == 1


def test_the_same_display_again_keeps_the_view_and_another_task_replaces_it(
    lab, page, backend, long_task, tmp_path
):
    name = "update.ipynb"
    short = tasks.submit(["python --version"], tmp_path, simulator="short-run", backend=backend)
    assert short.wait(60) == "success"
    write_notebook(
        lab.root / name,
        CONNECT,
        f"handle = display(iw.Task({long_task.id!r}), display_id=True)",
        f"handle.update(iw.Task({long_task.id!r}))",
        f"handle.update(iw.Task({short.id!r}))",
    )
    notebook = Notebook(page, lab, name)
    notebook.run(0)
    notebook.run(1)
    output = shown(notebook, 1)
    badge(output, "In Progress")
    output.locator(".iw-card").evaluate("card => { card.dataset.mark = 'kept'; }")

    notebook.run(2)
    badge(output, "In Progress")
    mark = output.locator(".iw-card").get_attribute("data-mark")
    notebook.run(3)
    badge(output, "Success")

    assert mark == "kept"
    expect(output.locator(".iw-card")).to_have_count(1)
    expect(output.locator(".iw-id")).to_have_attribute("title", short.id)


@pytest.mark.full
def test_a_new_view_for_output_is_live_too(lab, page, long_task):
    notebook = displayed(page, lab, "view.ipynb", long_task)
    notebook.code(1).locator(".jp-InputArea-prompt").click()
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:create-output-view')")
    view = page.locator(".jp-LinkedOutputView .iw-output")

    mode(view, "server")
    badge(view, "In Progress")
    expect(view.get_by_role("button", name="Kill task")).to_be_visible()


@pytest.mark.full
def test_a_console_shows_the_live_cell(lab, page, long_task):
    page.goto(f"{lab.url}/lab?token={lab.token}&reset")
    page.wait_for_function("() => !!window.jupyterapp?.shell?.currentWidget")
    page.evaluate(
        """async () => {
          const { commands, shell } = window.jupyterapp;
          await commands.execute('console:create', {kernelPreference: {name: 'python3'}});
          await shell.currentWidget.sessionContext.ready;
          await shell.currentWidget.sessionContext.session.kernel.info;
        }"""
    )
    page.evaluate(
        "code => void window.jupyterapp.shell.currentWidget.console.inject(code)",
        f"{CONNECT}\niw.Task({long_task.id!r})",
    )
    output = page.locator(".jp-CodeConsole .iw-output")

    mode(output, "server")
    badge(output, "In Progress")
    assert page.problems == []


# Databases as well: extensions may keep there what they saw.
KEPT_BY_A_BROWSER = """async () => {
  const kept = [{...localStorage}, {...sessionStorage}, location.href, history.state];
  const opened = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  for (const { name } of await indexedDB.databases()) {
    const database = await opened(indexedDB.open(name));
    for (const store of database.objectStoreNames)
      kept.push(await opened(database.transaction(store).objectStore(store).getAll()));
    database.close();
  }
  return JSON.stringify(kept);
}"""


@pytest.mark.fault(108)
def test_neither_key_nor_signature_leaves_the_server(lab, chromium, backend, tmp_path):
    """The key, and the signature of any signed link, in all that a browser can keep."""
    har = tmp_path / "all.har"
    task = tasks.submit(["python --version"], tmp_path, simulator="canary", backend=backend)
    assert task.wait(60) == "success"
    context = chromium.new_context(record_har_path=har, record_har_content="embed")
    page = context.new_page()
    write_notebook(lab.root / "canary.ipynb", CONNECT, f"iw.Task({task.id!r})")
    notebook = Notebook(page, lab, "canary.ipynb")
    notebook.run(0)
    notebook.run(1)
    output = shown(notebook, 1)
    mode(output, "server")
    output.get_by_role("button", name=re.compile("^(All|Download)")).last.click()
    expect(output).to_contain_text("verified")
    save(page)
    kept = page.content() + page.evaluate(KEPT_BY_A_BROWSER)
    context.close()

    texts = {
        "page": kept,
        "network": har.read_text(),
        "notebook": (lab.root / "canary.ipynb").read_text(),
        "log": lab.log.read_text(),
    }
    for place, text in texts.items():
        assert lab.engine.read_key() not in text, place
        assert not re.search(r"[a-z]+~\d{10}~", text), f"{place} holds a signed link"


@pytest.mark.full
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_picture_of_the_live_cell(lab, page, backend, long_task, theme):
    dam = tasks.submit(
        ["python dam_break.py config.json --set spacing=0.1"],
        lab.root / "examples" / "dam_break",
        simulator="sph-dam-break",
        backend=backend,
    )
    assert dam.wait(60) == "success"
    name = f"look-{theme}.ipynb"
    cells = [f"iw.Task({task.id!r})" for task in (dam, long_task)]
    write_notebook(lab.root / name, CONNECT, *cells)
    notebook = Notebook(page, lab, name)
    if theme == "dark":
        page.evaluate(
            "() => window.jupyterapp.commands.execute("
            "'apputils:change-theme', {theme: 'JupyterLab Dark'})"
        )
        expect(page.locator("body")).to_have_attribute("data-jp-theme-light", "false")
    for number in range(3):
        notebook.run(number)
    done, running = shown(notebook, 1), shown(notebook, 2)
    badge(done, "Success")
    badge(running, "In Progress")
    SHOTS.mkdir(parents=True, exist_ok=True)
    save(page)
    page.screenshot(path=SHOTS / f"live-cell-{theme}.png")
    for name_of, output in (("success", done), ("running", running)):
        output.evaluate("node => { node.style.width = '700px'; }")
        assert output.evaluate("view => view.scrollWidth <= view.clientWidth + 1")
        output.screenshot(path=SHOTS / f"live-{name_of}-{theme}.png")

    page.route(ROUTES, lambda route: route.fulfill(status=404, json={}))
    restart_kernel(page)
    notebook = Notebook(page, lab, name)
    for name_of, number in (("success", 1), ("running", 2)):
        output = shown(notebook, number)
        output.scroll_into_view_if_needed()
        expect(output).to_contain_text("HTTP 404")
        output.evaluate("node => { node.style.width = '700px'; }")
        output.screenshot(path=SHOTS / f"card-{name_of}-{theme}.png")
