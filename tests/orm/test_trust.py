"""Lakes and connections that are found: whose are used, what they may name, what is sent there."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import socket
import sqlite3
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lakehouse import setup, trust
from lakehouse.cli import app
from lakehouse.engine import Engine
from lakehouse.errors import (
    CatalogUnavailable,
    InvalidArgument,
    LakeCorrupt,
    LakehouseError,
    LakeNotFound,
    UntrustedPlace,
)
from lakehouse.orm import Lake, current_lake
from lakehouse.orm.lake.connection import connection_file, find_place
from lakehouse.orm.lake.other import DB
from lakehouse.orm.model.context import set_process_lake
from tests.optional import installed_or_skip

OTHER = 12345  # a user without an entry in the list of users
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as two users")


@pytest.fixture(autouse=True)
def no_trust(tmp_path, monkeypatch):
    """Nothing is trusted or named yet; each test has folders that only its user can write."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("SUDO_UID", raising=False)
    monkeypatch.delenv("LAKEHOUSE_ROOT", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    yield
    set_process_lake(None)


@pytest.fixture(scope="module")
def pattern(tmp_path_factory):
    """A lake to be copied."""
    root = tmp_path_factory.mktemp("pattern") / "lake"
    Lake.create(str(root), name="pattern").close()
    return root


@pytest.fixture
def lake(pattern, tmp_path):
    return Path(shutil.copytree(pattern, tmp_path / "lake"))


def connect_to(content, folder="."):
    file = connection_file(folder)
    file.parent.mkdir(exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content))


def give(path, user):
    for folder, names, files in os.walk(path):
        for name in (".", *names, *files):
            os.lchown(os.path.join(folder, name), user, user)


@contextmanager
def listener(answer=b""):
    """A server on this machine that keeps all that it is sent."""
    heard = []
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)

        def serve():
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                with peer:
                    if done.is_set():
                        return
                    peer.settimeout(1)
                    heard.append(b"")
                    try:
                        while data := peer.recv(65536):
                            heard.append(data)
                            peer.sendall(answer if not data.endswith(b"\x04\xd2\x16\x2f") else b"N")
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], heard
        done.set()
        with suppress(OSError):  # who waits in accept() isn't woken by a socket that is closed
            socket.create_connection(server.getsockname(), 1).close()
        thread.join(25)


ASK_PASSWORD = b"R\x00\x00\x00\x08\x00\x00\x00\x03"  # as Postgres asks for it in plain text


# -- whose files -----------------------------------------------------------------------


def test_ones_own_is_used(lake, monkeypatch):
    monkeypatch.chdir(lake)
    assert current_lake().root == str(lake)
    assert find_place().found


@root_only
@pytest.mark.parametrize("whose", ["folder", "inside", "file", "all"])
def test_what_belongs_to_others_is_not(lake, whose, monkeypatch, tmp_path):
    monkeypatch.chdir(lake)
    if whose == "folder":
        os.chown(lake, OTHER, OTHER)
    elif whose == "inside":
        os.chown(lake / ".lakehouse", OTHER, OTHER)
    elif whose == "file":
        os.chown(lake / ".lakehouse/lake.json", OTHER, OTHER)
    else:
        give(lake, OTHER)
    with pytest.raises(UntrustedPlace) as error:
        current_lake()
    assert f"lakehouse connect --trust {lake}" in str(error.value)
    assert f"user {OTHER}" in str(error.value)
    # what is named is opened, whoever made it
    assert setup.connect(str(lake)).root == str(lake)
    set_process_lake(None)
    monkeypatch.setenv("LAKEHOUSE_ROOT", str(lake))
    assert current_lake().root == str(lake)
    set_process_lake(None)
    monkeypatch.delenv("LAKEHOUSE_ROOT")
    assert setup.trust(lake) == str(lake)
    assert setup.trusted() == [str(lake)]
    assert current_lake().root == str(lake)
    set_process_lake(None)
    assert setup.untrust(lake)
    assert not setup.untrust(lake)
    with pytest.raises(UntrustedPlace):
        current_lake()
    setup.trust("*")
    assert current_lake().root == str(lake)


@root_only
def test_who_calls_sudo_is_who_works(lake, monkeypatch):
    give(lake, OTHER)
    monkeypatch.chdir(lake)
    monkeypatch.setenv("SUDO_UID", "54321")
    with pytest.raises(UntrustedPlace):
        current_lake()
    monkeypatch.setenv("SUDO_UID", str(OTHER))
    assert current_lake().root == str(lake)


@root_only
def test_an_own_connection_to_a_colleague_s_lake(lake, tmp_path, monkeypatch):
    give(lake, OTHER)
    connect_to({"root": str(lake)})
    with pytest.raises(UntrustedPlace):
        current_lake()
    setup.connect(str(lake))  # named once, it is remembered
    set_process_lake(None)
    assert current_lake().root == str(lake)
    set_process_lake(None)
    monkeypatch.chdir(lake)  # but found in the colleague's folder, it isn't obeyed
    with pytest.raises(UntrustedPlace):
        current_lake()


@root_only
def test_another_user_in_another_process(lake, tmp_path):
    """As a plain user without an entry in the list: root's lake is used, a third one's isn't."""

    def seen_by_other():
        os.setgroups([])
        os.setgid(OTHER)
        os.setuid(OTHER)
        try:
            return str(find_place(lake))
        except LakehouseError as error:
            return type(error).__name__

    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == 0 and not path.stat().st_mode & 0o001 and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o011)
    assert "lake" in in_child(seen_by_other)
    give(lake, OTHER + 1)
    assert in_child(seen_by_other) == "UntrustedPlace"
    give(lake, OTHER)
    assert "lake" in in_child(seen_by_other)


def in_child(work):
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        with os.fdopen(writing, "wb") as out:
            pickle.dump(work(), out)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        found = pickle.load(answer)
    os.waitpid(pid, 0)
    return found


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702])
@pytest.mark.parametrize("which", ["", ".lakehouse"])
def test_what_everybody_may_write_is_never_obeyed(lake, mode, which, monkeypatch):
    monkeypatch.chdir(lake)
    (lake / which).chmod(mode)
    with pytest.raises(UntrustedPlace, match="everybody may write"):
        current_lake()
    setup.trust("*")
    with pytest.raises(UntrustedPlace, match="chmod o-w"):
        current_lake()
    assert setup.connect(str(lake)).root == str(lake)
    if not which:
        with pytest.raises(InvalidArgument, match="everybody"):
            setup.trust(lake)


def test_a_folder_in_one_that_everybody_may_write(lake, tmp_path, monkeypatch):
    public = tmp_path / "public"
    public.mkdir()
    inside = Path(shutil.move(lake, public / "lake"))
    monkeypatch.chdir(inside)
    public.chmod(0o1777)  # as /tmp: nobody else can put another folder there
    assert find_place() is not None
    public.chmod(0o777)
    with pytest.raises(UntrustedPlace, match=str(public)):
        find_place()


def test_links_are_followed_to_where_they_lead(lake, tmp_path, monkeypatch):
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    shutil.move(lake / ".lakehouse", open_to_all / "kept")
    (lake / ".lakehouse").symlink_to(open_to_all / "kept")
    assert find_place(lake) is not None
    open_to_all.chmod(0o777)
    with pytest.raises(UntrustedPlace):
        find_place(lake)
    (tmp_path / "way").symlink_to(lake)
    with pytest.raises(UntrustedPlace):
        find_place(tmp_path / "way")


# -- hostile files ---------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", "7", '"x"', "null", "{}", '{"root": 7}', '{"root": ["a"]}', '{"root": null}',
        '{"root": ".", "db": 5}', '{"root": ".", "branch": 9}', '{"root": ".", "space": {}}',
        "[" * 100_000, '{"root": "a\\u0000b"}', '{"root": "a\\nb"}', '{"root": "\\ud800"}',
        '{"root": "reference::file:///x"}', '{"root": "simplecache::http://127.0.0.1:1/x"}',
        '{"root": "zip://x::/y"}', '{"root": "sftp://host/x"}', '{"root": "github://a:b@c/x"}',
        '{"root": "s3://planted/x"}', '{"root": "http://127.0.0.1:1/x"}', '{"root": "memory://x"}',
        '{"root": "http://bob:pw@127.0.0.1:1/x?token=y"}', '{"root": "file://host/etc"}',
        '{"root": ".", "db": "mysql://host/x"}', '{"root": ".", "db": "sqlite://"}',
        '{"root": ".", "db": "sqlite:////etc/passwd"}', '{"root": ".", "db": "x"}',
        '{"root": ".", "db": "postgresql://127.0.0.1:1/x"}',
        '{"root": ".", "db": "postgresql:///x?service=prod"}',
        '{"root": ".", "db": "postgresql:///x?passfile=/etc/shadow"}',
        '{"root": ".", "db": "postgresql:///x?host=127.0.0.1&hostaddr=10.0.0.1"}',
    ],
)  # fmt: skip
def test_hostile_connection_files_are_one_error(content, lake):
    connect_to(content)
    with pytest.raises(LakehouseError) as error:
        current_lake()
    assert "pw@" not in str(error.value)
    assert "token=y" not in str(error.value)
    # and what is named is opened all the same
    assert setup.connect(str(lake)).root == str(lake)
    set_process_lake(None)
    assert current_lake().root == str(lake)


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", "7", '"x"', "null", "{}", '{"uid": 7}', "[" * 100_000,
        '{"uid": "x", "format": 1, "db": 7}', '{"uid": "another", "format": 1}',
        '{"uid": "x", "format": 1, "db": "postgresql://127.0.0.1:1/x"}',
        '{"uid": "x", "format": 1, "db": "sqlite:////nowhere/x.db"}',
    ],
)  # fmt: skip
def test_hostile_markers_are_one_error(content, lake, monkeypatch):
    (lake / ".lakehouse/lake.json").write_text(content)
    monkeypatch.chdir(lake)
    with pytest.raises(LakehouseError):
        current_lake()
    with pytest.raises(LakehouseError):
        Lake.open(str(lake))


@pytest.mark.parametrize("what", ["pipe", "link", "folder", "device"])
def test_connection_files_that_are_no_files(what, tmp_path):
    file = connection_file()
    file.parent.mkdir()
    if what == "pipe":
        os.mkfifo(file)
    elif what == "folder":
        file.mkdir()
    else:
        file.symlink_to("/dev/zero" if what == "device" else tmp_path / "elsewhere.json")
        (tmp_path / "elsewhere.json").write_text('{"root": "."}')
    with pytest.raises(UntrustedPlace, match="plain file"):
        find_place()


def test_a_link_in_place_of_a_connection_file_is_not_written_through(lake, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    connection_file().parent.mkdir()
    connection_file().symlink_to(victim)
    old = connection_file().with_name(f"connection.json.{os.getpid()}.tmp")
    old.symlink_to(victim)
    setup.connect(str(lake))
    assert victim.read_text() == "precious"
    assert not connection_file().is_symlink()
    assert json.loads(connection_file().read_text()) == {"root": str(lake)}


# -- what they name --------------------------------------------------------------------


@pytest.mark.parametrize("how", ["connection", "marker"])
def test_a_planted_server_hears_nothing(how, lake, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "TOPSECRET")
    monkeypatch.setenv("PGUSER", "TOPSECRET-user")
    with listener(ASK_PASSWORD) as (port, heard):
        db = f"postgresql://127.0.0.1:{port}/x"
        if how == "connection":
            connect_to({"root": str(lake), "db": db})
        else:
            marker = json.loads((lake / ".lakehouse/lake.json").read_text())
            (lake / ".lakehouse/lake.json").write_text(json.dumps({**marker, "db": db}))
            monkeypatch.chdir(lake)
        with pytest.raises(UntrustedPlace, match=f"127.0.0.1:{port}") as error:
            current_lake()
        assert "lakehouse connect --trust" in str(error.value)
        assert heard == []


@pytest.mark.slow
def test_a_lake_that_is_named_gets_no_password_sent_to_its_server(lake, monkeypatch):
    installed_or_skip("psycopg")
    monkeypatch.setenv("PGPASSWORD", "TOPSECRET")
    marker = json.loads((lake / ".lakehouse/lake.json").read_text())
    with listener(ASK_PASSWORD) as (port, heard):
        db = f"postgresql://127.0.0.1:{port}/x?sslmode=disable"
        (lake / ".lakehouse/lake.json").write_text(json.dumps({**marker, "db": db}))
        with pytest.raises(CatalogUnavailable, match="only the lake's own file names") as error:
            Lake.open(str(lake))
        assert f"--db postgresql://127.0.0.1:{port}" in str(error.value)
        assert b"TOPSECRET" not in b"".join(heard)
        with pytest.raises(CatalogUnavailable):  # the user names the server: then it is sent
            Lake.open(str(lake), db=db)
        assert b"TOPSECRET" in b"".join(heard)


@pytest.mark.parametrize("words", [["check"], ["repair"], ["repair", "--apply"]])
def test_checks_and_repairs_send_a_planted_server_nothing(words, lake, monkeypatch):
    """They don't open the lake, but look at the catalog that its marker names."""
    installed_or_skip("psycopg")
    monkeypatch.setenv("PGPASSWORD", "TOPSECRET")
    marker = json.loads((lake / ".lakehouse/lake.json").read_text())
    with listener(ASK_PASSWORD) as (port, heard):
        db = f"postgresql://127.0.0.1:{port}/x?sslmode=disable"
        (lake / ".lakehouse/lake.json").write_text(json.dumps({**marker, "db": db}))
        monkeypatch.chdir(lake)
        found = CliRunner().invoke(app, words)
        assert (found.exit_code, "lakehouse connect --trust" in found.output) == (1, True)
        assert heard == []
        named = CliRunner().invoke(app, [words[0], str(lake), *words[1:]])
        assert named.exit_code == 1
        assert b"TOPSECRET" not in b"".join(heard)


@pytest.mark.parametrize("root", ["http://127.0.0.1:{}/x", "http://bob:pw@127.0.0.1:{}/x"])
def test_a_planted_address_is_not_asked(root, tmp_path):
    with listener() as (port, heard):
        connect_to({"root": root.format(port)})
        with pytest.raises(UntrustedPlace):
            current_lake()
        assert heard == []


def test_other_programs_databases_stay_as_they_are(lake, tmp_path, monkeypatch):
    victim = tmp_path / "victim.db"
    with sqlite3.connect(victim) as db:
        db.execute("CREATE TABLE mine (x)")
    db.close()
    before = victim.read_bytes()
    url = f"sqlite:///{victim}"
    marker = json.loads((lake / ".lakehouse/lake.json").read_text())
    (lake / ".lakehouse/lake.json").write_text(json.dumps({**marker, "db": url}))
    connect_to({"root": str(lake), "db": url})
    with pytest.raises(UntrustedPlace):
        current_lake()
    for call in (
        lambda: Lake.open(str(lake)),
        lambda: Lake.open(str(lake), db=url),
        lambda: Lake.create(str(tmp_path / "new"), db=url),
    ):
        with pytest.raises(CatalogUnavailable, match="not a lake's catalog"):
            call()
    (lake / ".lakehouse/lake.json").write_text(json.dumps(marker))
    os.replace(lake / ".lakehouse/catalog.db", tmp_path / "kept")
    (lake / ".lakehouse/catalog.db").symlink_to(victim)
    with pytest.raises(CatalogUnavailable, match="not a lake's catalog"):
        Lake.open(str(lake))
    assert victim.read_bytes() == before
    assert sorted(p.name for p in tmp_path.glob("victim*")) == ["victim.db"]


def test_a_catalog_whose_tables_are_in_its_log_only(lake):
    engine = Engine.open(str(lake), [])
    engine.set_info(note="in the log")
    assert (lake / ".lakehouse/catalog.db-wal").exists()
    assert Engine.open(str(lake), []).info["note"] == "in the log"


def test_another_lake_s_catalog_is_not_taken(lake, tmp_path, monkeypatch):
    other = Lake.create(str(tmp_path / "other"))
    other.close()
    marker = json.loads((lake / ".lakehouse/lake.json").read_text())
    url = f"sqlite:///{other.root}/.lakehouse/catalog.db"
    (lake / ".lakehouse/lake.json").write_text(json.dumps({**marker, "db": url}))
    with pytest.raises(LakeCorrupt):
        Lake.open(str(lake))
    assert Lake.open(other.root).uid == other.uid


def test_a_database_elsewhere_is_found_once_it_was_named(tmp_path, monkeypatch):
    db = f"sqlite:///{tmp_path}/db/c.db"
    made = setup.init(storage=tmp_path / "mine", db=db)
    set_process_lake(None)
    assert current_lake().uid == made.uid
    set_process_lake(None)
    shutil.rmtree(tmp_path / "config")  # another user, or another machine
    with pytest.raises(UntrustedPlace, match=r"c\.db"):
        current_lake()
    monkeypatch.chdir(tmp_path / "mine")
    with pytest.raises(UntrustedPlace, match=r"c\.db"):
        current_lake()
    setup.connect(tmp_path / "mine", db=db)
    set_process_lake(None)
    assert current_lake().uid == made.uid


def test_passwords_are_not_kept(lake, tmp_path, capfd):
    from lakehouse.orm.lake.connection import Place, remember

    remember(Place(str(lake), "postgresql://bob:TOPSECRET@db.lab/x?schema=y"))
    kept = json.loads(connection_file().read_text())
    assert kept["db"] == "postgresql://bob@db.lab/x?schema=y"
    assert "PGPASSWORD" in capfd.readouterr().err
    trust.remember_named("postgresql://bob:TOPSECRET@db.lab")
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"TOPSECRET" not in file.read_bytes()


# -- neighbours, and the list itself ---------------------------------------------------


def test_neighbours_are_not_opened_for_their_names(lake, tmp_path, monkeypatch):
    with listener() as (port, heard):
        for name, marker in {
            "a": {"uid": "x", "format": 1, "db": f"postgresql://127.0.0.1:{port}/x"},
            "b": {"uid": "y", "format": 1, "db": f"sqlite:///{tmp_path}/foreign.db"},
            "c": [],
        }.items():
            (tmp_path / name / ".lakehouse").mkdir(parents=True)
            (tmp_path / name / ".lakehouse/lake.json").write_text(json.dumps(marker))
        monkeypatch.chdir(tmp_path)
        assert DB("pattern").lake.root == str(lake)
        with pytest.raises(LakeNotFound):
            DB("nobody")
        assert heard == []
        assert not (tmp_path / "foreign.db").exists()


def test_older_lakes_are_found_by_their_names_once_they_were_opened(lake, tmp_path, monkeypatch):
    marker = lake / ".lakehouse/lake.json"
    content = json.loads(marker.read_text())
    assert content.pop("name") == "pattern"
    marker.write_text(json.dumps(content))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LakeNotFound):
        DB("pattern")
    Lake.open(str(lake)).close()
    assert json.loads(marker.read_text()) == {**content, "name": "pattern"}
    assert DB("pattern").lake.root == str(lake)


@root_only
def test_a_list_that_others_may_write_is_not_believed(lake, tmp_path):
    give(lake, OTHER)
    setup.trust(lake)
    assert find_place(lake) is not None
    (tmp_path / "config").chmod(0o777)
    with pytest.raises(UntrustedPlace):
        find_place(lake)
    (tmp_path / "config").chmod(0o755)
    give(tmp_path / "config", OTHER)
    with pytest.raises(UntrustedPlace):
        find_place(lake)


def test_without_a_home_nothing_is_trusted(lake, monkeypatch):
    monkeypatch.setattr(trust.platformdirs, "user_config_dir", lambda name: f"~/.config/{name}")
    with pytest.raises(LakehouseError, match="trusted"):
        setup.trust(lake)
    assert setup.trusted() == []
    assert not trust.remember_named("s3://bucket/x")
    assert not list(Path().iterdir())
