"""Where address, key and folder come from, and what is refused before anything is sent."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import traceback
from pathlib import Path

import pytest

import inductiva_widgets as iw
from inductiva_widgets import backend as backends
from inductiva_widgets.api import config, settings
from inductiva_widgets.errors import ConfigurationError, UserInputError

CANARY = "canary-key.0123456789"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setattr(backends, "_default", None)
    return tmp_path


@pytest.fixture
def key_file(home):
    path = config.key_file()
    path.parent.mkdir(parents=True)
    return path


def text_of(error):
    return "".join(traceback.format_exception(error)) + repr(error) + error.hint


# -- the key -------------------------------------------------------------------------------------


def test_without_a_key_anywhere_there_are_no_settings(home):
    assert config.load() is None
    assert config.find_key() is None


def test_the_argument_comes_before_the_environment_before_the_file(key_file, monkeypatch):
    key_file.write_text("from-file")
    assert config.load().key.reveal() == "from-file"
    assert config.load().key_source == f"the file {key_file}"

    monkeypatch.setenv("INDUCTIVA_API_KEY", "from-environment")
    assert config.load().key.reveal() == "from-environment"
    assert config.load().key_source == "the variable INDUCTIVA_API_KEY"

    assert config.load(key="from-argument").key.reveal() == "from-argument"
    assert config.load(key="from-argument").key_source == "the argument"


@pytest.mark.fault(89)
@pytest.mark.parametrize("text", [f"{CANARY}\n", f"  {CANARY}\r\n", f"\ufeff{CANARY}"])
def test_a_key_is_stripped_wherever_it_comes_from(key_file, monkeypatch, text):
    key_file.write_text(text, encoding="utf-8")
    assert config.load().key.reveal() == CANARY

    monkeypatch.setenv("INDUCTIVA_API_KEY", text.strip("\ufeff"))
    assert config.load().key.reveal() == CANARY


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_a_blank_variable_or_file_is_no_key(key_file, monkeypatch, text):
    key_file.write_text(text)
    monkeypatch.setenv("INDUCTIVA_API_KEY", text)

    assert config.load() is None


BAD_KEYS = [
    f"'{CANARY}'",
    f'"{CANARY}"',
    f"{CANARY}\nX-Evil: 1",
    f"{CANARY} {CANARY}",
    f"Bearer {CANARY}",
    f"{CANARY}é",
    f"{CANARY}/",
]


@pytest.mark.fault(89)
@pytest.mark.parametrize("text", BAD_KEYS)
@pytest.mark.parametrize("source", ["argument", "environment", "file"])
def test_a_key_with_other_characters_is_refused_and_not_echoed(key_file, monkeypatch, text, source):
    if source == "environment":
        monkeypatch.setenv("INDUCTIVA_API_KEY", text)
    elif source == "file":
        key_file.write_text(text, encoding="utf-8")

    with pytest.raises(ConfigurationError) as caught:
        config.load(key=text if source == "argument" else None)

    where = {"argument": "argument", "environment": "INDUCTIVA_API_KEY", "file": str(key_file)}
    assert where[source] in str(caught.value)
    assert CANARY not in text_of(caught.value)
    assert caught.value.hint


@pytest.mark.fault(89)
@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_key_as_argument_is_refused(text):
    with pytest.raises(ConfigurationError, match="empty"):
        config.load(key=text)


def test_a_key_file_that_cannot_be_read_is_told_and_not_passed_over(key_file):
    key_file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="cannot be read") as caught:
        config.load()
    assert str(key_file) in str(caught.value)

    key_file.unlink()
    key_file.mkdir()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        config.load()


def test_a_home_without_the_folder_is_no_error(home):
    (home / ".inductiva").write_text("a file where the folder would be")

    assert config.find_key() is None


def test_the_key_shows_itself_nowhere():
    key = config.ApiKey(CANARY)
    settings = config.load(key=CANARY)
    backend = backends.Backend(settings)

    for thing in (key, settings, backend, backend.client, [settings], {"key": key}):
        assert CANARY not in repr(thing)
        assert CANARY not in str(thing)
        assert CANARY not in f"{thing}"
    backend.close()


@pytest.mark.parametrize("action", [pickle.dumps, copy.deepcopy, copy.copy])
def test_the_key_cannot_be_pickled_or_copied(action):
    with pytest.raises(TypeError):
        action(config.ApiKey(CANARY))


def test_settings_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.load(key=CANARY).url = "https://elsewhere"


# -- another key ---------------------------------------------------------------------------------


def newer(settings):
    return [(found.key.reveal(), found.key_source) for found in config.newer_key(settings)]


@pytest.mark.fault(85)
def test_another_key_comes_from_where_the_first_one_came(key_file, monkeypatch):
    key_file.write_text("first")
    of_file = config.load()
    key_file.write_text("second")
    assert newer(of_file) == [("second", f"the file {key_file}")]

    monkeypatch.setenv("INDUCTIVA_API_KEY", "third")
    assert newer(of_file) == [("third", "the variable INDUCTIVA_API_KEY")]
    of_variable = config.load()
    monkeypatch.setenv("INDUCTIVA_API_KEY", "fourth")
    assert newer(of_variable) == [("fourth", "the variable INDUCTIVA_API_KEY")]
    monkeypatch.delenv("INDUCTIVA_API_KEY")
    assert newer(of_variable) == [("second", f"the file {key_file}")]


@pytest.mark.fault(85)
@pytest.mark.parametrize("content", [None, "", "half a", "\0"])
def test_a_source_without_a_key_gives_none(key_file, content):
    key_file.write_text("first")
    settings = config.load()
    key_file.unlink()
    if content is not None:
        key_file.write_text(content)

    assert newer(settings) == []


@pytest.mark.fault(85)
def test_a_key_of_another_address_is_not_taken(key_file, monkeypatch):
    key_file.write_text("first")
    by_default, by_argument = config.load(), config.load(url="https://given.example")
    monkeypatch.setenv("INDUCTIVA_API_URL", "https://other.example")
    key_file.write_text("second")

    assert newer(by_default) == []
    assert newer(by_argument) == [("second", f"the file {key_file}")]


@pytest.mark.fault(85)
def test_a_given_key_is_replaced_by_a_later_connect_to_the_same_address_only(key_file, monkeypatch):
    monkeypatch.setenv("INDUCTIVA_API_KEY", "of-the-variable")
    first = backends.connect(key="first", url="https://one.example")
    credentials = first.client.credentials
    assert not credentials.renew(first.config.key)

    backends.connect(key="other", url="https://two.example")
    assert not credentials.renew(first.config.key)

    backends.connect(key="second", url="https://one.example")
    assert first.config.key.reveal() == "first"  # not refused yet
    assert credentials.renew(first.config.key)
    assert first.config.key.reveal() == "second"
    assert first.config.url == "https://one.example"


# -- the address ---------------------------------------------------------------------------------


@pytest.mark.fault(98)
@pytest.mark.parametrize(
    ("address", "normal"),
    [
        ("https://api.inductiva.ai", "https://api.inductiva.ai"),
        ("https://api.inductiva.ai/", "https://api.inductiva.ai"),
        (" HTTPS://API.Inductiva.AI// ", "https://api.inductiva.ai"),
        ("https://api.inductiva.ai:443", "https://api.inductiva.ai"),
        ("https://api.inductiva.ai:8443/v1/", "https://api.inductiva.ai:8443/v1"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("http://127.8.9.1:80", "http://127.8.9.1"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_an_address_is_normalised(address, normal):
    assert config.normalise_url(address) == normal
    assert config.normalise_url(normal) == normal


BAD_ADDRESSES = [
    "",
    "api.inductiva.ai",
    "ftp://api.inductiva.ai",
    "https://",
    "https:///tasks",
    "file:///etc/passwd",
    f"https://user:{CANARY}@api.inductiva.ai",
    f"https://{CANARY}@api.inductiva.ai",
    f"https://:{CANARY}@api.inductiva.ai",
    f"https://api.inductiva.ai?key={CANARY}",
    f"https://api.inductiva.ai/#{CANARY}",
    "https://api.inductiva.ai:port",
    "https://api.inductiva.ai:99999",
    "https://[::1",
    "https://bad host/",
    "https://bad\\host/",
    "http://api.inductiva.ai",
    "http://192.168.1.5:8000",
    "http://0.0.0.0",
    "http://localhost.example",
    "http://127.0.0.1.example",
]


@pytest.mark.fault(98)
@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_an_address_that_cannot_work_is_refused_without_showing_secrets(address, monkeypatch):
    monkeypatch.setenv("INDUCTIVA_API_URL", address or "x")

    for attempt in (lambda: config.normalise_url(address), lambda: config.load(key="a")):
        with pytest.raises(ConfigurationError) as caught:
            attempt()
        assert CANARY not in text_of(caught.value)
        assert caught.value.hint


def test_the_address_comes_from_argument_environment_or_default(monkeypatch):
    assert config.load(key="a").url == "https://api.inductiva.ai"

    monkeypatch.setenv("INDUCTIVA_API_URL", "https://one.example/")
    assert config.load(key="a").url == "https://one.example"
    assert config.load(key="a", url="https://two.example").url == "https://two.example"


def test_one_address_has_one_id_that_does_not_show_it():
    one = config.load(key="a", url="https://one.example/")
    same = config.load(key="b", url="HTTPS://one.example:443")
    two = config.load(key="a", url="https://two.example")

    assert one.backend_id == same.backend_id != two.backend_id
    assert len(one.backend_id) == 12
    assert set(one.backend_id) <= set("0123456789abcdef")
    assert one.name == "one.example"


def test_a_local_engine_keeps_its_id_when_its_port_changes(tmp_path):
    def engine(url, key):
        return config.Config(url, config.ApiKey(key), "a file", tmp_path, is_local=True)

    one = engine("http://127.0.0.1:7117", CANARY)
    moved = engine("http://127.0.0.1:7118", CANARY)
    other = engine("http://127.0.0.1:7117", CANARY + "x")

    assert one.backend_id == moved.backend_id != other.backend_id
    assert len(one.backend_id) == 12
    assert set(one.backend_id) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("127.0.0.1", True),
        ("127.255.0.9", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_loopback_is_this_machine_only(host, local):
    assert config.is_loopback(host) is local


# -- the folder ----------------------------------------------------------------------------------


def test_the_output_folder_comes_from_argument_environment_or_default(home, monkeypatch):
    assert config.load(key="a").output_dir == Path("inductiva_output")

    monkeypatch.setenv("INDUCTIVA_OUTPUT_DIR", "~/from-environment")
    assert config.load(key="a").output_dir == home / "from-environment"
    assert config.load(key="a", output_dir="~/given").output_dir == home / "given"
    assert config.load(key="a", output_dir=Path("here")).output_dir == Path("here")


@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_folder_or_address_is_refused(empty):
    with pytest.raises(ConfigurationError, match="empty"):
        config.load(key="a", output_dir=empty)
    with pytest.raises(ConfigurationError, match="empty"):
        backends.connect(key="a", url=empty)


# -- connecting ----------------------------------------------------------------------------------


def test_connect_makes_the_newest_backend_the_default():
    first = backends.connect(key="a", url="https://one.example")
    second = backends.connect(key="a", url="https://two.example")

    assert first is not second
    assert backends.default() is second
    assert repr(second) == "<Backend two.example>"
    assert not second.is_local


@pytest.mark.fault(89)
def test_connect_without_a_key_and_without_the_local_engine_says_where_it_looked():
    with pytest.raises(ConfigurationError) as caught:
        backends.connect(local=False)

    assert "INDUCTIVA_API_KEY" in caught.value.hint


@pytest.mark.parametrize("given", [{"key": "a"}, {"url": "https://one.example"}])
def test_the_local_engine_takes_neither_key_nor_address(given):
    with pytest.raises(UserInputError):
        backends.connect(local=True, **given)


def test_find_starts_nothing(home, monkeypatch):
    monkeypatch.setenv("INDUCTIVA_WIDGETS_DATA_DIR", str(home / "data"))

    assert backends.find() is None
    assert not (home / "data").exists()


def test_find_uses_the_key_that_is_there(monkeypatch):
    monkeypatch.setenv("INDUCTIVA_API_KEY", CANARY)

    assert backends.find().name == "api.inductiva.ai"


# -- settings that explain themselves ------------------------------------------------------------


def test_without_anything_the_defaults_explain_themselves(home, monkeypatch):
    monkeypatch.setenv("INDUCTIVA_WIDGETS_DATA_DIR", str(home / "data"))

    told = iw.config()

    assert told["service"].value == "local engine"
    assert told["service"].source == "no API key was found"
    assert told["API key"].value == "none"
    assert told["outputs"].value == str(Path.cwd() / "inductiva_output")
    assert told["outputs"].source == "the default"
    assert told["engine folder"].value == str(home / "data")
    assert told["engine folder"].source == "the variable INDUCTIVA_WIDGETS_DATA_DIR"
    assert told.warnings == ()
    assert not (home / "data").exists()


def test_each_setting_tells_its_variable_or_file(key_file, monkeypatch):
    key_file.write_text(CANARY + "\n")
    key_file.chmod(0o600)
    monkeypatch.setenv("INDUCTIVA_API_URL", "https://one.example/")
    monkeypatch.setenv("INDUCTIVA_OUTPUT_DIR", "/somewhere")

    told = iw.config()

    assert (told["service"].value, told["service"].source) == (
        "https://one.example",
        "the variable INDUCTIVA_API_URL",
    )
    assert (told["API key"].value, told["API key"].source) == ("set", f"the file {key_file}")
    assert (told["outputs"].value, told["outputs"].source) == (
        "/somewhere",
        "the variable INDUCTIVA_OUTPUT_DIR",
    )


def test_the_backend_in_use_is_the_one_explained():
    backends.connect(key=CANARY, url="https://two.example", output_dir="/given")

    told = iw.config()

    assert [(one.value, one.source) for one in told.settings[:3]] == [
        ("https://two.example", "the argument"),
        ("set", "the argument"),
        ("/given", "the argument"),
    ]


def test_the_engine_in_use_is_told(home):
    engine = config.Config(
        url="http://127.0.0.1:1",
        key=config.ApiKey(CANARY),
        key_source="the file of the engine",
        output_dir=config.output_root(),
        is_local=True,
    )

    told = settings.explain(engine, wants_local=False, engine_dir=home)

    assert told["service"].value == "local engine, http://127.0.0.1:1"
    assert told["outputs"].source == "the default"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("INDUCTIVA_API_URL", f"https://user:{CANARY}@one.example"),
        ("INDUCTIVA_API_KEY", f"'{CANARY}'"),
    ],
)
def test_settings_that_cannot_work_are_a_warning_without_secrets(monkeypatch, variable, value):
    monkeypatch.setenv("INDUCTIVA_API_KEY", CANARY)
    monkeypatch.setenv(variable, value)

    told = iw.config()

    assert told["service"].value == "cannot be used"
    assert len(told.warnings) == 1
    assert CANARY not in str(told) + repr(told) + str(told.to_dict())


def test_what_is_passed_over_is_told(key_file, monkeypatch):
    key_file.write_text(CANARY)
    key_file.chmod(0o600)
    monkeypatch.setenv("INDUCTIVA_API_KEY", CANARY)
    (warning,) = iw.config().warnings
    assert str(key_file) in warning

    monkeypatch.setenv("INDUCTIVA_WIDGETS_LOCAL", "1")
    monkeypatch.setenv("INDUCTIVA_API_URL", "https://one.example")
    (warning,) = iw.config().warnings
    assert "INDUCTIVA_API_URL is passed over" in warning


@pytest.mark.fault(90)
def test_a_key_file_that_others_can_read_is_told_with_its_cure(key_file):
    key_file.write_text(CANARY)
    key_file.chmod(0o644)

    (warning,) = iw.config().warnings

    assert f"chmod 600 {key_file}" in warning
    config.write_key(config.ApiKey(CANARY))
    assert iw.config().warnings == ()


def test_settings_show_themselves_as_a_table(monkeypatch):
    monkeypatch.setenv("INDUCTIVA_API_KEY", CANARY)
    monkeypatch.setenv("INDUCTIVA_OUTPUT_DIR", "/a\x1b[2Jb")

    text = str(iw.config())

    assert text == repr(iw.config())
    assert CANARY not in text
    assert "\x1b" not in text
    assert [line.split("   ")[0].strip() for line in text.splitlines()] == [
        "service",
        "API key",
        "outputs",
        "engine folder",
    ]
    with pytest.raises(KeyError):
        iw.config()["nothing"]


@pytest.mark.fault(90)
def test_a_key_is_kept_for_this_user_alone_and_without_a_newline(home):
    path = config.write_key(config.ApiKey(f" {CANARY}\n"))

    assert path.read_bytes() == CANARY.encode()
    assert config.is_private(path)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert config.load().key.reveal() == CANARY


@pytest.mark.fault(90)
def test_a_key_that_cannot_be_kept_leaves_the_old_one(key_file, monkeypatch):
    key_file.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)

    with pytest.raises(ConfigurationError, match="No space left"):
        config.write_key(config.ApiKey(CANARY))

    assert key_file.read_text() == "old"
    assert [path.name for path in key_file.parent.iterdir()] == ["api_key"]
