"""mapgen's rarer options, long builds and what a kill leaves."""
import base64
import json
import os
import pty
import signal
import stat
import subprocess
import time

import pytest

from lab import RELAYBOX, SLOW
from test_applets import box  # noqa: F401


def test_bytes_that_are_not_utf8(box):
    (box.tmp / "t").write_bytes(b"k \xff\xfe\n")
    assert b"not UTF-8" in box.run("postmap", "-U", "t").stderr
    assert box.run("postmap", "-s", "t").stdout == b""
    assert not box.run("postmap", "-u", "t").stderr
    assert box.run("postmap", "-q", "k", "t").stdout == b"\xff\xfe\n"


def test_verbose_config_and_json(box):
    (box.tmp / "t").write_text('a 1\nb "two\\words"\na 3\n')
    assert b"2 entries, 1 duplicates" in box.run("postmap", "-v", "-w", "-c", "/nonexistent", "t").stderr
    rows = [json.loads(line) for line in box.run("postmap", "-js", "t").stdout.splitlines()]
    assert rows == [{"a": "1"}, {"b": '"two\\words"'}]
    assert box.run("postmap", "-q", "-", "-j", "t", input="b\nno\n").stdout.splitlines() == [b'{"b": "\\"two\\\\words\\""}']


def test_several_tables_are_asked_in_order(box):
    (box.tmp / "t").write_text("a first\n")
    (box.tmp / "u").write_text("a second\nb second\n")
    box.run("postmap", "t", "u")
    assert box.run("postmap", "-q", "-", "t", "hash:u", input="a\nb\n").stdout == b"a\tfirst\nb\tsecond\n"
    box.run("postmap", "-q", "-", "t", input="no\n", code=1)
    assert b"cannot look up" in box.run("postmap", "-q", "a", "cdb:missing", code=75).stderr


def test_only_one_thing_at_a_time(box):
    (box.tmp / "t").write_text("a 1\n")
    for args in (["-q", "a", "-s"], ["-d", "a", "-i"], ["--check", "-q", "a"]):
        assert b"at a time" in box.run("postmap", *args, "t", code=64).stderr
    assert b"which table" in box.run("postmap", code=64).stderr


def test_messages_are_keys_by_their_headers_and_bodies(box):
    (box.tmp / "re").write_text("/^subject:/ s\n/^x-/ x\n/^text/ t\n")
    message = ("Subject: a\n folded\nContent-Type: multipart/mixed; boundary=b\n\ntext 1\n--b\nX-Part: y\n\ntext 2\n--b--\n")
    for options, want in (("-h", b"Subject: a\n folded\ts\n"), ("-b", b"text 1\tt\nX-Part: y\tx\ntext 2\tt\n"),
                          ("-hm", b"Subject: a\n folded\ts\nX-Part: y\tx\n"), ("-bm", b"text 1\tt\ntext 2\tt\n"),
                          ("-bh", b"Subject: a\n folded\ts\ntext 1\tt\nX-Part: y\tx\ntext 2\tt\n")):
        assert box.run("mapgen", "-q", "-", options, "regexp:re", input=message).stdout == want, options
    assert json.loads(box.run("mapgen", "-q", "-", "-hj", "regexp:re", input=message).stdout) == {"Subject: a\n folded": "s"}
    box.run("mapgen", "-q", "-", "-h", "regexp:re", input="To: x\n\nsubject: y\n", code=1)
    assert b"-m does nothing" in box.run("mapgen", "-q", "-", "-m", "regexp:re", input="x-y\n").stderr
    assert box.run("mapgen", "-h").stdout == box.run("postmap", "--help").stdout
    for args in (["-h", "re"], ["-b", "-q", "x", "re"], ["-ms", "re"]):
        assert b"\"-q -\" only" in box.run("mapgen", *args, code=64).stderr


def test_list_shows_aliases_as_they_are_written_and_files_decoded(box):
    (box.tmp / "aliases").write_text("root: admin@example.com\n")
    box.run("postalias", "aliases")
    assert box.run("postalias", "-s", "aliases").stdout == b"root:\tadmin@example.com\n"
    assert box.run("mapgen", "--alias", "-q", "root", "aliases").stdout == b"admin@example.com\n"
    (box.tmp / "content").write_bytes(b"pem")
    (box.tmp / "t").write_text("k %s\n" % (box.tmp / "content"))
    box.run("postmap", "-F", "t")
    assert box.run("postmap", "-Fs", "t").stdout == b"k\tpem\n"
    assert base64.b64decode(box.run("postmap", "-s", "t").stdout.split()[1]) == b"pem"


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_o_keeps_root_as_owner(box):
    (box.tmp / "t").write_text("a 1\n")
    os.chown(box.tmp / "t", 65534, 65534)
    box.run("postmap", "-o", "t")
    assert (box.tmp / "t.cdb").stat().st_uid == 0


def test_check_tells_of_a_password_table_that_anyone_may_read(box):
    t = box.tmp / "sasl_passwd"
    t.write_text("[h]:587 u:p\n")
    t.chmod(0o600)
    box.run("postmap", "-p", "sasl_passwd")
    assert b"chmod 600 sasl_passwd.cdb" in box.run("mapgen", "--check", "sasl_passwd").stdout
    t.chmod(0o666)
    assert b"anyone may write it" in box.run("mapgen", "--check", "sasl_passwd", code=1).stdout


def test_what_is_found_in_files_of_others_steers_no_terminal(box):
    """A list that an alias includes may be written by its user."""
    (box.tmp / "aliases").write_bytes(b"team: x\x1b]0-y\x07@@z, w\xc2\x9b1m@@z\n")
    said = box.run("mapgen", "--check", "--alias", "texthash:%s/aliases" % box.tmp, code=None).stdout
    assert b"\\033]0-y\\007@@z" in said and b"\\302\\2331m@@z" in said and not set(said) & set(b"\x1b\x07\x9b")
    (box.etc / "main.cf").write_bytes((box.etc / "main.cf").read_bytes() + b"alias_maps = texthash:%s/aliases\nbad\x1b[31mname = x\n" % bytes(box.tmp))
    said = box.run("relayd", "-t", code=None).stderr
    assert b"bad\\033[31mname" in said and b"\\033]0-y" in said and not set(said) & set(b"\x1b\x07\x9b")


def test_asking_for_many_keys_is_the_same_as_asking_for_few(box):
    (box.tmp / "t").write_text("".join("key%d value %d\n" % (i, i) for i in range(5000)))
    box.run("postmap", "t")
    keys = "".join("key%d\nno%d\n" % (i, i) for i in range(0, 5000, 3))
    want = "".join("key%d\tvalue %d\n" % (i, i) for i in range(0, 5000, 3))
    assert box.run("postmap", "-q", "-", "t", input=keys).stdout.decode() == want
    # a table that is cut short is an error in memory, too
    whole = (box.tmp / "t.cdb").read_bytes()
    (box.tmp / "t.cdb").write_bytes(whole[:len(whole) // 2])
    (box.tmp / "t").unlink()
    box.run("postmap", "-q", "-", "cdb:t", input=keys, code=75)


def long_table(box, entries):
    with open(box.tmp / "long", "w") as f:
        f.writelines("user%07d@example.test smtp:[relay%d.example.test]\n" % (i, i % 97) for i in range(entries))


def test_a_long_build_shows_its_progress_on_a_terminal_only(box):
    for entries in (300_000, 1_200_000, 5_000_000):
        long_table(box, entries)
        master, slave = pty.openpty()
        began = time.monotonic()
        run = subprocess.Popen([RELAYBOX, "mapgen", "long"], cwd=box.tmp, stderr=slave)
        os.close(slave)
        said = b""
        while True:
            try:
                data = os.read(master, 4096)
            except OSError:
                break
            if not data:
                break
            said += data
        os.close(master)
        assert run.wait(60 * SLOW) == 0
        if time.monotonic() - began > 2:
            break
    assert b" % [=" in said and b"entries" in said and said.endswith(b"\r\x1b[K"), said[-200:]
    assert box.run("mapgen", "long").stderr == b""


def test_a_build_that_is_killed_leaves_the_old_table(box):
    (box.tmp / "long").write_text("a old\n")
    box.run("mapgen", "long")
    old = (box.tmp / "long.cdb").read_bytes()
    long_table(box, 300_000)
    run = subprocess.Popen([RELAYBOX, "mapgen", "long"], cwd=box.tmp)
    end = time.monotonic() + 30 * SLOW
    while not (box.tmp / "long.cdb.tmp").exists() and run.poll() is None and time.monotonic() < end:
        pass
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert (box.tmp / "long.cdb").read_bytes() == old
    # what was left over is in nobody's way
    box.run("mapgen", "long")
    assert box.run("mapgen", "-q", "user0000007@example.test", "long").stdout == b"smtp:[relay7.example.test]\n"
    assert not (box.tmp / "long.cdb.tmp").exists() and stat.S_ISREG((box.tmp / "long.cdb").stat().st_mode)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_a_table_keeps_its_group_and_mode(box):
    source, table = box.tmp / "sasl_passwd", box.tmp / "sasl_passwd.cdb"
    source.write_text("a b\n")
    source.chmod(0o600)
    box.run("mapgen", "sasl_passwd")
    assert stat.S_IMODE(table.stat().st_mode) == 0o600
    os.chown(table, 0, 12345)
    table.chmod(0o640)
    box.run("mapgen", "sasl_passwd")
    assert (table.stat().st_gid, stat.S_IMODE(table.stat().st_mode)) == (12345, 0o640)
    # who cannot give the group away does not open the table to his own
    os.chown(box.tmp, 65534, 65534)
    os.chown(source, 65534, 65534)
    subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", RELAYBOX, "mapgen", "sasl_passwd"], cwd=box.tmp)
    if table.stat().st_uid == 65534:
        assert stat.S_IMODE(table.stat().st_mode) & 0o060 == 0


# --- root in somebody else's folder -----------------------------------------------------------------------------------------------------

OTHER = 12525


@pytest.fixture
def foreign(tmp_path):
    """A folder of another user's, with a table of root's in it, and beside it a secret of root's."""
    if os.getuid() != 0:
        pytest.skip("needs root")
    folder = tmp_path / "foreign"
    folder.mkdir()
    (folder / "table").write_text("key value\n")
    (tmp_path / "secret").write_text("secret root\n")
    os.chmod(tmp_path / "secret", 0o600)
    os.chown(folder, OTHER, OTHER)
    return folder


def build(path, code=0, options=("-o",)):
    done = subprocess.run([RELAYBOX, "mapgen", *options, "hash:%s" % path], capture_output=True, text=True, timeout=30)
    assert done.returncode == code, done
    return done.stderr


@pytest.mark.parametrize("options", [(), ("-o",)])
def test_root_warns_of_a_folder_of_somebody_else(foreign, options):
    assert "belongs to uid %d, who can change what is built there" % OTHER in build(foreign / "table", options=options)
    assert (foreign / "table.cdb").stat().st_uid == 0


def test_root_reads_no_link_that_somebody_else_has_put_there(foreign, tmp_path):
    (foreign / "table").unlink()
    for plant in (lambda: os.symlink(tmp_path / "secret", foreign / "table"), lambda: os.link(tmp_path / "secret", foreign / "table")):
        plant()
        build(foreign / "table", 73)
        assert not (foreign / "table.cdb").exists()
        (foreign / "table").unlink()


def test_root_writes_through_no_link_that_somebody_else_has_put_there(foreign, tmp_path):
    secret = tmp_path / "secret"
    before = secret.stat()
    for plant in (os.symlink, os.link):
        plant(secret, foreign / "table.cdb.tmp")
        build(foreign / "table", 73)
        (foreign / "table.cdb.tmp").unlink()
        # in place of the table it is replaced, not followed
        plant(secret, foreign / "table.cdb")
        build(foreign / "table")
        (foreign / "table.cdb").unlink()
    (tmp_path / "roots").mkdir()
    os.symlink(tmp_path / "roots", foreign / "folder")
    (tmp_path / "roots" / "table").write_text("key value\n")
    build(foreign / "folder" / "table", 73)
    assert os.listdir(tmp_path / "roots") == ["table"]
    after = secret.stat()
    assert (after.st_mode, after.st_uid, after.st_size, after.st_mtime_ns) == (before.st_mode, before.st_uid, before.st_size, before.st_mtime_ns)


def test_a_table_that_is_replaced_keeps_its_owner(foreign):
    build(foreign / "table")
    os.chown(foreign / "table.cdb", OTHER, 12)
    os.chmod(foreign / "table.cdb", 0o640)
    build(foreign / "table")
    st = (foreign / "table.cdb").stat()
    assert (st.st_uid, st.st_gid, st.st_mode & 0o777) == (OTHER, 12, 0o640)
