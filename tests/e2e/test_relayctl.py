"""relayctl as a person uses it: the queue filtered and sorted, figures that move, the story of a message; completion in the
real shells."""
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import smtplib
import struct
import subprocess
import tempfile
import termios
import threading
import time

import pytest
from lab import RELAYBOX, SLOW, Relay, Sink, wait


def send(relay, sender, *rcpts, body="hello"):
    with smtplib.SMTP("127.0.0.1", relay.port) as s:
        s.sendmail(sender, rcpts, "Subject: x\n\n" + body)


def answer(sink, argument):
    """What the recipient's name asks for."""
    if "busy" in argument:
        return "450 4.2.0 mailbox busy"
    return "550 5.1.1 no such user" if "no@" in argument else None


class Town:
    def __init__(self, folder):
        self.sink = Sink(script={"RCPT": answer})
        self.relay = Relay(folder, "mydestination =\nrelayhost = [127.0.0.1]:%d\n" % self.sink.port).start()
        send(self.relay, "ann@example.com", "good@one.example")
        send(self.relay, "bob@example.com", "busy1@one.example", "busy2@two.example", body="x" * 5000)
        send(self.relay, "cid@example.net", "busy@two.example", "no@two.example")
        self.relay.wait_log(r"status=deferred", 3)
        self.relay.wait_log(r"status=bounced")
        self.relay.wait_log(r": removed", 2)
        self.good, self.two, self.three = (self.id(a) for a in ("good@", "busy1@", "busy@"))

    def id(self, rcpt):
        return re.search(r"(\w+): to=<" + rcpt, self.relay.log()).group(1)

    def ctl(self, *args, code=0, **more):
        done = self.relay.run("relayctl", *args, check=False, **more)
        assert done.returncode == code, done
        return (done.stdout + done.stderr).decode()


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    t = Town(tmp_path_factory.mktemp("town"))
    yield t
    t.relay.stop()
    t.sink.close()


def ids(town, *args):
    return town.ctl("queue", "--ids", *args).split()


FILTERS = [
    ([], "23"), (["--from", "bob@example.com"], "2"), (["--from=@example.net"], "3"), (["--to", "busy1"], "2"),
    (["--site", "two.example"], "23"), (["--site", "one.example"], "2"), (["--site", ".example"], "23"), (["--site", "two"], ""),
    (["--reason", "MAILBOX BUSY"], "23"), (["--reason", "timed out"], ""), (["--state", "deferred"], "23"), (["--state", "hold"], ""),
    (["--older", "1h"], ""), (["--newer", "1h"], "23"), (["--sort", "size"], "23"), (["--sort", "size", "--reverse"], "32"),
    (["-r"], "32"), (["--sort=from", "-r"], "32"), (["--count", "1"], "2"), (["-r", "--count", "1"], "3"),
]


@pytest.mark.parametrize("args,want", FILTERS, ids=[" ".join(f[0]) or "all" for f in FILTERS])
def test_the_queue_is_filtered_and_sorted(town, args, want):
    assert ids(town, *args) == [{"2": town.two, "3": town.three}[c] for c in want]


def test_the_queue_as_a_table_and_as_json(town):
    table = town.ctl("queue")
    lines = table.splitlines()
    assert lines[0].split() == ["ID", "AGE", "NEXT", "SIZE", "FROM", "TO", "WHY"]
    assert re.match(town.two + r" +\d+\w +\d+m +5\.\dK  bob@example.com  busy1@one.example \+1  host 127.0.0.1.*busy", lines[1])
    assert lines[-1].startswith("-- 2 messages")
    assert "\033" not in table
    one, = (json.loads(line) for line in town.ctl("queue", "--json", "--to", "busy@").splitlines())
    assert one["queue_id"] == town.three and [r["address"] for r in one["recipients"]] == ["busy@two.example"]
    # the two that only wait look the same in what others made for postqueue -j
    plain = [json.loads(line) for line in town.relay.run("postqueue", "-j").stdout.splitlines()]
    assert one in plain


def test_wrong_options_are_refused(town):
    for args in (["--sort", "colour"], ["--state", "lost"], ["--older", "soon"], ["--newer", "-"], ["--count", "0"], ["--count", "x"]):
        assert args[0] in town.ctl("queue", *args, code=64)
    assert "interval" in town.ctl("stats", "5", code=64)
    assert "--watch" in town.ctl("stats", "--watch=0", code=64)
    assert "takes no argument" in town.ctl("queue", "all", code=64)


def on_terminal(argv, columns, env, seconds=20):
    """What argv writes on a terminal of so many columns."""
    may_begin, begin = os.pipe()
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(env)
        os.read(may_begin, 1)
        os.execv(argv[0], argv)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
    os.write(begin, b".")
    os.close(begin)
    os.close(may_begin)
    out, end = b"", time.monotonic() + seconds * SLOW
    while time.monotonic() < end:
        try:
            piece = os.read(fd, 65536) if select.select([fd], [], [], 1)[0] else b""
        except OSError:
            break
        out += piece
    os.close(fd)
    os.waitpid(pid, 0)
    return out.decode()


@pytest.mark.parametrize("columns", [80, 132])
def test_a_terminal_is_not_overflowed(town, columns):
    text = on_terminal([RELAYBOX, "relayctl", "-c", town.relay.dir, "queue"], columns, {"LC_ALL": "C.UTF-8", "TERM": "xterm", "NO_COLOR": ""})
    assert "\033[1mID" in text and "\u2026" in text
    for line in re.sub("\033\\[[0-9]*m", "", text).splitlines():
        assert len(line) <= columns, line
    plain = on_terminal([RELAYBOX, "relayctl", "-c", town.relay.dir, "queue"], columns, {"LC_ALL": "C", "TERM": "xterm", "NO_COLOR": "1"})
    assert "\033" not in plain and ">" in plain and plain.isascii()


def test_stats_count_what_happened(town):
    text = town.ctl("stats")
    assert re.search(r"^messages accepted +3$", text, re.M)
    assert re.search(r"^tries deferred +3$", text, re.M)
    assert re.search(r"^recipients refused for good +1$", text, re.M)
    assert re.search(r"^accepted +\d+ +\d+ +3  ", text, re.M), "the minutes hold all of it"
    assert re.search(r"%s  bounced   no@two.example +host .*no such user" % town.three, text)
    one = json.loads(town.ctl("stats", "--json"))
    assert one["messages_total"] == 3 and one["deferred_total"] == 3 and one["bounced_total"] == 1 and one["rates"] == {}
    assert {e["recipient"] for e in one["errors"]} == {"busy1@one.example", "busy2@two.example", "busy@two.example", "no@two.example"}
    assert sum(m["accepted"] for m in one["minutes"]) == 3


def test_stats_watch_shows_rates(town):
    watch = subprocess.Popen([RELAYBOX, "relayctl", "-c", town.relay.dir, "stats", "--watch", "1", "--json"], stdout=subprocess.PIPE)
    first = json.loads(watch.stdout.readline())
    assert first["rates"] == {}
    for _ in range(5):
        send(town.relay, "ann@example.com", "good@one.example")
    rest = [json.loads(watch.stdout.readline())]
    while rest[-1]["messages_total"] < first["messages_total"] + 5:
        rest.append(json.loads(watch.stdout.readline()))
    watch.terminate()
    watch.wait(30 * SLOW)
    assert max(s["rates"]["messages"] for s in rest) > 0
    assert rest[-1]["messages_total"] == first["messages_total"] + 5
    # for half a minute it is known as one where nothing is left to do
    wait(lambda: re.search(r"^smtp:\[127.0.0.1\]:%d +0 +0 +\d+  ok$" % town.sink.port, town.ctl("stats"), re.M))
    assert json.loads(town.ctl("stats", "--json"))["destinations"][0]["nexthop"] == "[127.0.0.1]:%d" % town.sink.port
    assert town.ctl("stats", "-w1", "--count=2").count("messages accepted") == 2
    screen = on_terminal([RELAYBOX, "relayctl", "-c", town.relay.dir, "stats", "--watch=1", "--count=2"], 100,
                         {"LC_ALL": "C.UTF-8", "TERM": "xterm", "NO_COLOR": ""})
    assert screen.count("\033[H\033[J") == 2 and "/s" in screen and "\u2588" in screen


def test_trace_tells_the_whole_story(town):
    text = town.ctl("trace", town.three)
    story = ["arrived from unknown[127.0.0.1]", "message-id <", "from=<cid@example.net>, size=",
             "deferred  busy@two.example  127.0.0.1[127.0.0.1]:%d after" % town.sink.port, "bounced   no@two.example",
             "sender non-delivery notification: ", "now in the queue:", "queue: deferred", "next try: ", "recipient: busy@two.example"]
    at = -1
    for part in story:
        assert part in text, text
        if not part.startswith("bounced"):
            assert text.index(part) > at, text
            at = text.index(part)
    gone = town.ctl("trace", town.good)
    assert "sent      good@one.example" in gone and "done: removed from the queue" in gone
    assert re.search(r"now: not in the queue since \w+ +\d+ [\d:]+; sent to 1, bounced for 0", gone)


def test_trace_says_what_is_not_known(town, tmp_path):
    assert "nor in the log" in town.ctl("trace", "ABCDEF123456", code=66)
    assert "not a queue id" in town.ctl("trace", "x.y", code=64)
    # an older log is gone, or there never was a file
    late = tmp_path / "late"
    late.write_text("".join(line + "\n" for line in town.relay.log_lines("status=|removed")))
    assert "how it came is not in this log" in town.ctl("trace", town.good, "--log", str(late))
    late.write_text("".join(line + "\n" for line in town.relay.log_lines("client=")))
    assert "how it ended is not in this log" in town.ctl("trace", town.good, "--log", str(late))
    assert "cannot read the log" in town.ctl("trace", town.two, "--log", str(tmp_path / "none"))
    other = tmp_path / "conf"
    shutil.copytree(town.relay.dir, other, ignore=shutil.ignore_patterns("queue", "log", "stderr"))
    main = (other / "main.cf").read_text().replace("maillog_file = ", "maillog_file = /dev/stdout\nx_was = ").replace("log_also = ", "log_also =\ny_was = ")
    (other / "main.cf").write_text(main)
    text = town.ctl("-c", str(other), "trace", town.two)
    assert "the log is not a file" in text and "now in the queue" in text
    # what a container's log collector has
    text = town.ctl("--config", str(other), "trace", town.good, "--log", "-", stdin=town.relay.log())
    assert "sent      good@one.example" in text


def test_trace_reads_the_log_before_this_one_and_json(tmp_path):
    with Sink() as sink, Relay(tmp_path, "mydestination =\nlog_format = json\nrelayhost = [127.0.0.1]:%d\n" % sink.port) as relay:
        send(relay, "ann@example.com", "good@one.example")
        sink.wait(1)
        relay.wait_log(r"removed")
        qid = re.search(r'"queue_id":"(\w+)","client"|"queue_id":"(\w+)"', relay.log()).group(2)
        os.rename(relay.path("log"), relay.path("log.1"))
        open(relay.path("log"), "w").close()
        text = relay.run("relayctl", "trace", qid).stdout.decode()
        assert "arrived from" in text and "sent      good@one.example" in text and "now: not in the queue since 2" in text


def test_queue_and_trace_work_without_relayd(tmp_path):
    t = Town(tmp_path)
    live = ids(t, "--sort", "size")
    t.ctl("hold", t.two)
    t.relay.stop()
    t.sink.close()
    assert ids(t, "--sort", "size") == live
    assert ids(t, "--state", "hold") == [t.two]
    assert t.ctl("queue").count("hold") == 1
    assert ids(t, "--from", "cid", "--site", "two.example") == [t.three]
    text = t.ctl("trace", t.three)
    assert "now in the queue" in text and "bounced   no@two.example" in text
    assert "start relayd" in t.ctl("stats", code=69)


def test_ids_can_be_piped_into_a_change(tmp_path):
    t = Town(tmp_path)
    try:
        chosen = t.ctl("queue", "--ids", "--from", "bob")
        assert "Deleted: 1 message" in t.ctl("delete", "-", stdin=chosen)
        assert ids(t) == [t.three]
    finally:
        t.relay.stop()
        t.sink.close()


HOPS = [
    (["x@one.example"], ["=> [127.0.0.1]:26: TLS level verify, with a password", "=> [127.0.0.9]:26: TLS level may, no password"],
     ["smtp_tls_policy_maps: texthash:DIR/policy: [127.0.0.1]:26: verify (DIR/policy:1)", "smtp_sasl_password_maps: texthash:DIR/sasl: 127.0.0.1: not found", "smtp_sasl_password_maps: texthash:DIR/sasl: [127.0.0.1]:26: found (DIR/sasl:1)"]),
    (["x@one.example", "--from", "ann@b.example"], ["=> [127.0.0.1]:26: TLS level verify, with a password",
                                                     "=> [127.0.0.9]:26: TLS level may, with a password"],
     ["smtp_sasl_password_maps: texthash:DIR/sasl: ann@b.example: not found", "smtp_sasl_password_maps: texthash:DIR/sasl: @b.example: found (DIR/sasl:2)"]),
    (["x@mx.example"], ["=> sub.example.org: TLS level encrypt, no password but by the name of the MX host",
                        "=> [127.0.0.9]:26: TLS level may, no password"],
     ["smtp_tls_policy_maps: texthash:DIR/policy: sub.example.org: not found", "smtp_tls_policy_maps: texthash:DIR/policy: .example.org: encrypt (DIR/policy:2)"]),
    (["x@bad.example"], ['=> bad.example: 451 4.7.5 smtp_tls_policy_maps: "bogus" does not begin with a TLS level',
                         "=> [127.0.0.9]:26: TLS level may, no password"], []),
    (["x@box.example"], ["=> unix:/x: TLS level none, no password"], []),
]


def test_explain_tells_the_tls_level_and_the_key_of_the_password(tmp_path):
    d = str(tmp_path / "r")
    tables = {"policy": "[127.0.0.1]:26 verify\n.example.org encrypt\nbad.example bogus\n", "sasl": "[127.0.0.1]:26 me:secret\n@b.example ann:hidden\n",
              "transport": "mx.example smtp:sub.example.org\nbad.example smtp:bad.example\nbox.example lmtp:unix:/x\n"}
    with Relay(d, "relayhost = [127.0.0.1]:26\nsmtp_fallback_relay = [127.0.0.9]:26\nsmtp_tls_security_level = may\n"
               "smtp_tls_policy_maps = texthash:%s/policy\nsmtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = texthash:%s/sasl\n"
               "smtp_sender_dependent_authentication = yes\ntransport_maps = texthash:%s/transport\n" % (d, d, d), files=tables).start() as relay:
        for args, hops, keys in HOPS:
            lines = relay.run("relayctl", "explain", *args).stdout.decode().replace(d, "DIR").splitlines()
            assert [x for x in lines if x.startswith("=> ")][1:] == hops
            assert not set(keys) - set(lines), lines
            assert not any(word in x for x in lines for word in ("secret", "hidden", "me:"))


def changed(t, sink, verb, rcpt):
    """What is said of a change while that mail is being delivered; then the delivery ends."""
    send(t, "eve@example.com", rcpt)
    wait(lambda: sink.held)
    qid = re.search(r"(\w+): from=<eve@", t.log()[t.log().rindex("from=<eve@") - 14:]).group(1)
    text = t.run("relayctl", verb, qid).stdout.decode()
    sink.go.set()
    wait(lambda: not sink.held)
    return qid, text


def test_what_is_being_delivered_is_changed_afterwards(tmp_path):
    def answer_late(sink, argument):
        sink.held = True
        sink.go.wait(20)
        sink.go.clear()
        sink.held = False
        return "450 4.2.0 mailbox busy"
    with Sink(script={"RCPT": answer_late}) as sink:
        sink.held, sink.go = False, threading.Event()
        with Relay(tmp_path / "r", "mydestination =\nrelayhost = [127.0.0.1]:%d\n" % sink.port).start() as t:
            qid, text = changed(t, sink, "hold", "a@one.example")
            assert text == "Placed on hold: 1 message\n"
            t.wait_log(qid + ": placed on hold")
            wait(lambda: t.run("relayctl", "queue", "--ids", "--state", "hold").stdout.decode().split() == [qid])
            gone, text = changed(t, sink, "delete", "b@one.example")
            assert text == "Deleted: 1 message\n"
            t.wait_log("postsuper.*" + gone + ": removed")
            wait(lambda: t.run("relayctl", "queue", "--ids").stdout.decode().split() == [qid])


def test_of_all_only_what_is_held_is_released(tmp_path):
    with Relay(tmp_path, "mydestination =\nrelayhost = [127.0.0.1]:1\n") as relay:
        for name in ("held", "waits"):
            send(relay, "ann@example.com", name + "@one.example")
        relay.wait_log("status=deferred", 2)
        held, waits = (re.search(r"(\w+): to=<%s@" % n, relay.log()).group(1) for n in ("held", "waits"))
        relay.run("postsuper", "-h", held)
        assert "Released from hold: 1 message\n" in relay.run("postsuper", "-H", "ALL").stderr.decode()
        relay.wait_log(held + ": released from hold")
        assert not relay.log_lines(waits + ": released")


def test_postsuper_changes_only_the_queues_it_is_given(tmp_path):
    t = Town(tmp_path)
    try:
        t.ctl("hold", t.two)
        for queues, left in (["incoming"], [t.two, t.three]), (["active", "hold"], [t.three]), (["deferred"], []):
            assert t.relay.run("postsuper", "-d", "ALL", *queues, check=False).returncode == 0
            assert ids(t) == left
    finally:
        t.relay.stop()
        t.sink.close()


def deny_all(relay):
    with relay.start():
        for args in (["relayctl", "delete", "ALL"], ["relayctl", "flush"], ["relayctl", "show", "AB12345678"], ["relayctl", "reload"],
                     ["relayctl", "queue"], ["postqueue", "-f"], ["postqueue", "-p"], ["postsuper", "-h", "ALL"]):
            done = subprocess.run([RELAYBOX, args[0], "-c", relay.dir, *args[1:]], user=65534, group=65534, extra_groups=[], env=relay.env,
                                  capture_output=True)
            assert done.returncode == 77 and b"not permitted" in done.stderr, (args, done)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to be somebody else")
def test_who_may_not_is_told_so_by_the_exit_code():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        relay = Relay(folder, "relayhost = [127.0.0.1]:1\nauthorized_flush_users = root\nauthorized_mailq_users = root\n")
        deny_all(relay)


# --- completion ----------------------------------------------------------------------------------------------------------------

# words before the cursor, what must be offered, what must not
WANTED = [
    ("relayctl que", ["queue"], ["show"]),
    ("relayctl --so", ["--sort"], ["--site"]),
    ("relayctl queue --sort si", ["size", "site"], ["age"]),
    ("relayctl -j tr", ["trace"], ["--to"]),
    ("relaybox relayctl tr", ["trace"], []),
    ("relaybox map", ["mapgen"], ["mail"]),
    ("relaybox --comp", ["--completion"], ["--complete "]),
    ("relaybox --completion z", ["zsh"], ["bash"]),
    ("postqueue -", ["-f", "-p", "-s"], ["-d", "-t"]),
    ("postsuper -", ["-d", "-H"], ["-t", "-i"]),
    ("relayd --non", ["--non-default"], ["--daemon"]),
    ("mxcheck --js", ["--json"], []),
    ("mapgen --ch", ["--check"], []),
    ("postmap --ch", ["--check"], []),
    ("mail --subj", ["--subject"], []),
    ("sendmail -", ["-t", "-f", "-i"], ["-s", "-A"]),
]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory, town):
    """Links to the binary, the scripts, and an environment that finds them."""
    d = tmp_path_factory.mktemp("shelf")
    (d / "bin").mkdir()
    os.symlink(RELAYBOX, d / "bin" / "relaybox")
    subprocess.run([RELAYBOX, "--install", "-s", str(d / "bin")], check=True)
    for shell in ("bash", "zsh", "fish"):
        (d / shell).write_bytes(subprocess.run([RELAYBOX, "--completion", shell], check=True, stdout=subprocess.PIPE).stdout)
    env = {"PATH": "%s:%s" % (d / "bin", os.environ["PATH"]), "HOME": str(d), "MAIL_CONFIG": town.relay.dir, "LC_ALL": "C.UTF-8",
           "TERM": "dumb", "XDG_CONFIG_HOME": str(d), "XDG_DATA_HOME": str(d)}
    return d, env


def offered_by_bash(shelf, line):
    d, env = shelf
    # as readline splits it: "=" is a word of its own
    words = [w for w in re.split(r" |(=)", line) if w is not None and w != ""] + ([""] if line.endswith((" ", "=")) else [])
    script = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _relaybox; printf "%s\\n" "${COMPREPLY[@]}"'
    out = subprocess.run(["bash", "--norc", "-c", script, str(d / "bash"), *words], env=env, stdout=subprocess.PIPE, timeout=60 * SLOW)
    return [w.strip().rstrip("=") for w in out.stdout.decode().splitlines()]


def offered_by_fish(shelf, line):
    d, env = shelf
    out = subprocess.run(["fish", "--no-config", "-c", 'source $argv[1]; complete -C $argv[2]', str(d / "fish"), line], env=env,
                         stdout=subprocess.PIPE, timeout=60 * SLOW)
    return [w.split("\t")[0].rstrip("=") for w in out.stdout.decode().splitlines()]


class Zsh:
    """A zsh on a terminal: completion works nowhere else. ^D lists what could follow."""

    def __init__(self, shelf):
        d, env = shelf
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(shutil.which("zsh"), ["zsh", "-f", "-i"], dict(env, COLUMNS="200"))
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 200, 0, 0))
        self.out = b""
        os.write(self.fd, b"PS1='@''@ '; autoload -U compinit; compinit -u -D; source %s; bindkey '^Xl' list-choices; unsetopt beep; echo REA''DY\n"
                 % str(d / "zsh").encode())
        self.until(b"READY\r\n")
        self.until(b"@@ ", self.out.index(b"READY\r\n"))

    def until(self, mark, since=0):
        end = time.monotonic() + 30 * SLOW
        while mark not in self.out[since:] and time.monotonic() < end:
            if select.select([self.fd], [], [], 0.5)[0]:
                self.out += os.read(self.fd, 65536)
        assert mark in self.out[since:], self.out[since:]

    def offered(self, line):
        at = len(self.out)
        # list, drop the line, and say a word when that is done
        os.write(self.fd, line.encode() + b"\x18l\x15echo EN''D\n")
        self.until(b"END\r\n", at)
        # the prompt comes when the line editor has the terminal
        self.until(b"@@ ", self.out.index(b"END\r\n", at))
        text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]|\x07", b"", self.out[at:]).decode()
        return [w.split("\t")[0].strip().rstrip("=") for w in re.split(r"[\r\n]+", text)]

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def check_offers(offers, town):
    for line, wanted, unwanted in WANTED:
        got = offers(line)
        assert set(wanted) <= set(got), (line, got)
        assert not set(unwanted) & set(got), (line, got)
    for line in ("relayctl show ", "relayctl hold ", "postsuper -d "):
        assert {town.two, town.three} <= set(offers(line)), line


def test_bash_completes(shelf, town):
    check_offers(lambda line: offered_by_bash(shelf, line), town)
    assert offered_by_bash(shelf, "relayctl queue --sort=si") == ["site", "size"] or offered_by_bash(shelf, "relayctl queue --sort=si") == ["size", "site"]


@pytest.mark.skipif(not shutil.which("fish"), reason="no fish")
def test_fish_completes(shelf, town):
    check_offers(lambda line: offered_by_fish(shelf, line), town)
    assert "--sort=size" in offered_by_fish(shelf, "relayctl queue --sort=si")


@pytest.mark.skipif(not shutil.which("zsh"), reason="no zsh")
def test_zsh_completes(shelf, town):
    zsh = Zsh(shelf)
    try:
        check_offers(zsh.offered, town)
    finally:
        zsh.close()


def test_no_such_shell():
    done = subprocess.run([RELAYBOX, "--completion", "tcsh"], capture_output=True)
    assert done.returncode == 64 and b"bash|zsh|fish" in done.stderr


def test_explain_follows_aliases_to_the_end(tmp_path):
    (tmp_path / "aliases").write_text("team: ann@far.example, root, pit\npit: |cmd\nping: pong\npong: ping\n")
    relay = Relay(tmp_path, "mydestination = here.test\nmyorigin = here.test\nrelayhost = [127.0.0.1]:9\nalias_maps = texthash:%s/aliases\n"
                            "home_mailbox = Maildir/\n" % tmp_path).start()
    try:
        def explain(addr):
            return relay.run("relayctl", "explain", addr).stdout.decode()
        text = explain("Team@here.test")
        assert "alias team: ann@far.example" in text and "nexthop [127.0.0.1]:9" in text and "cmd is not run here" in text
        assert "mailbox /root/Maildir/ of root" in text + explain("root@here.test")
        assert "=> 550 5.4.6 alias ping names nobody but itself" in explain("ping@here.test")
        assert '=> 550 5.1.1 unknown user: "nobody-here"' in explain("nobody-here@here.test")
    finally:
        relay.stop()


def test_stats_watch_fits_and_ends_with_q(town):
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(RELAYBOX, [RELAYBOX, "relayctl", "-c", town.relay.dir, "stats", "--watch=60"])
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 60, 0, 0))
    seen = b""
    while b"last errors" not in seen:
        assert select.select([fd], [], [], 20 * SLOW)[0], seen
        seen += os.read(fd, 65536)
    os.write(fd, b"q")
    try:
        while os.read(fd, 65536):
            pass
    except OSError:
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(fd)
