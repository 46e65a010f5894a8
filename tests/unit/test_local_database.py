"""A database that cannot be used is kept and replaced, or left alone; states find room."""

from __future__ import annotations

import contextlib
import re
import shutil
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest

from inductiva_widgets.errors import LocalEngineError, StoreCorruptError
from inductiva_widgets.local.database import Database
from inductiva_widgets.local.disk import Reserve


@pytest.mark.fault(116)
def test_a_database_of_a_newer_version_is_refused_untouched(tmp_path):
    path = tmp_path / "engine.db"
    with contextlib.closing(Database(path)) as database, database.transaction() as connection:
        connection.execute("PRAGMA user_version=2")
    before = path.read_bytes()

    with pytest.raises(LocalEngineError, match="newer version"):
        Database(path)

    assert path.read_bytes() == before
    assert {found.name for found in tmp_path.iterdir()} == {"engine.db"}


def damage(path, kind):
    match kind:
        case "empty":
            path.write_bytes(b"")
        case "other bytes":
            path.write_bytes(b"this was a database" * 500)
        case "cut":
            path.write_bytes(path.read_bytes()[:10_000])
        case "overwritten inside":
            content = path.read_bytes()
            path.write_bytes(content[:4096] + bytes(len(content) - 4096))
        case "another program's":
            path.unlink()
            with contextlib.closing(sqlite3.connect(path)) as other:
                other.execute("CREATE TABLE notes (text TEXT)")


@pytest.mark.fault(116)
@pytest.mark.parametrize(
    "kind", ["empty", "other bytes", "cut", "overwritten inside", "another program's"]
)
def test_a_damaged_database_is_set_aside_under_a_dated_name(tmp_path, kind):
    path = tmp_path / "engine.db"
    Database(path).close()
    damage(path, kind)
    before = path.read_bytes()

    with contextlib.closing(Database(path)) as database:
        assert database.rows("SELECT * FROM tasks") == []

    told = database.damage
    assert isinstance(told, StoreCorruptError)
    assert re.fullmatch(r"engine\.db\.damaged-\d{8}-\d{6}", Path(told.path).name)
    assert Path(told.path).read_bytes() == before
    assert Path(told.path).name in str(told)


@pytest.mark.fault(116)
def test_a_damaged_database_that_cannot_be_set_aside_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "engine.db"
    path.write_bytes(b"this was a database" * 500)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)

    with pytest.raises(StoreCorruptError, match="cannot be put aside: Permission denied"):
        Database(path)


@pytest.mark.fault(116)
def test_a_read_only_database_is_replaced_by_a_copy_that_can_be_written(tmp_path, monkeypatch):
    path = tmp_path / "engine.db"
    with contextlib.closing(Database(path)) as database:
        database.setting("kept", "yes")
    connect = sqlite3.connect
    read_only = iter([f"file:{path}?mode=ro"])

    def connect_first_read_only(given, **options):
        chosen = next(read_only, None)
        return connect(chosen or given, **options, uri=chosen is not None)

    monkeypatch.setattr(sqlite3, "connect", connect_first_read_only)

    with contextlib.closing(Database(path)) as database:
        assert database.setting("kept", "no") == "yes"
        assert "read-only" in str(database.damage)
        assert Path(database.damage.path).exists()


def test_a_database_that_another_program_holds_is_left_alone(tmp_path, monkeypatch):
    path = tmp_path / "engine.db"
    Database(path).close()
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **o: connect(*a, **{**o, "timeout": 0}))
    with contextlib.closing(connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")

        with pytest.raises(LocalEngineError, match="locked"):
            Database(path)

    assert not list(tmp_path.glob("*damaged*"))


@pytest.mark.fault(117)
def test_the_reserve_is_given_when_there_is_no_room(tmp_path, monkeypatch):
    free = [10**9]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free[0]))
    reserve = Reserve(tmp_path / "reserve", 100_000)
    with contextlib.closing(Database(tmp_path / "engine.db", reserve)) as database:
        reserve.fill()
        database.setting("a", "1")
        held = (tmp_path / "reserve").stat().st_size

        free[0] = 1000
        database.setting("b", "2")

        assert held == 100_000
        assert not (tmp_path / "reserve").exists()
        reserve.fill()
        assert not (tmp_path / "reserve").exists()


@pytest.mark.fault(117)
def test_a_transaction_without_room_gives_the_reserve_to_the_next(tmp_path):
    reserve = Reserve(tmp_path / "reserve", 100_000)
    with contextlib.closing(Database(tmp_path / "engine.db", reserve)) as database:
        reserve.fill()
        limit_pages(database, 1)  # the least that SQLite takes: as many as there are
        with pytest.raises(sqlite3.OperationalError, match="full"):
            database.setting("a", "x" * 100_000)

        assert not (tmp_path / "reserve").exists()
        limit_pages(database, 100_000)
        assert database.setting("a", "x") == "x"


def limit_pages(database, count):
    with database.transaction() as connection:
        connection.execute(f"PRAGMA max_page_count={count}")
