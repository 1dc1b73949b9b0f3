"""place - a place of its own for each measurement, and what its processes used.

As root, every measurement runs in new network, process and mount namespaces: no TIME_WAIT from the run before, no port
that is taken, and whatever it started ends with it, daemons too. Otherwise it runs on the machine's loopback in a
session of its own, which is killed at its end.
"""
import ctypes
import fcntl
import json
import os
import select
import signal
import socket
import struct
import time
import traceback

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x20000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
PR_SET_PDEATHSIG = 1
TICK = 1000.0 / os.sysconf("SC_CLK_TCK")
ROOT = os.geteuid() == 0


class Unable(Exception):
    """A measurement that cannot be made here, with the reason."""


def call(result):
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def mount(source, target, kind=None, flags=0, data=None):
    call(LIBC.mount(source.encode(), target.encode(), kind and kind.encode(), flags, data and data.encode()))


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _loopback_up():
    with socket.socket() as s:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(s, 0x8913, request))[1]
        fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", flags | 1))
    with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as f:
        f.write("10000 65000")


def _enter():
    """Move into new namespaces; returns in the process that is pid 1 there."""
    call(LIBC.unshare(CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWNS))
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        os._exit(0)
    die_with_parent()
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    mount("proc", "/proc", "proc")
    _loopback_up()
    if os.path.exists("/dev/log"):
        mount("/dev/null", os.path.realpath("/dev/log"), None, MS_BIND)


def _run(pipe, fn, args, kw):
    try:
        if ROOT:
            _enter()
        result = {"ok": fn(*args, **kw)}
    except Unable as e:
        result = {"unable": str(e)}
    except BaseException:
        result = {"error": traceback.format_exc()}
    with os.fdopen(pipe, "w") as out:
        json.dump(result, out)
    os._exit(0)


def isolate(fn, *args, limit=900, **kw):
    """What fn(...) returns, run in a place of its own; it must be something JSON can carry."""
    os.sync()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        os.setsid()
        die_with_parent()
        _run(writer, fn, args, kw)
    os.close(writer)
    text, end = b"", time.monotonic() + limit
    try:
        while True:
            if not select.select([reader], [], [], max(0, end - time.monotonic()))[0]:
                raise Unable("not done within %d s" % limit)
            piece = os.read(reader, 1 << 16)
            if not piece:
                break
            text += piece
    finally:
        os.close(reader)
        for kill in os.killpg, os.kill:
            try:
                kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        os.waitpid(pid, 0)
    result = json.loads(text or b'{"error": "it ended without a word"}')
    if "unable" in result:
        raise Unable(result["unable"])
    if "error" in result:
        raise RuntimeError(result["error"])
    return result["ok"]


# --- what processes use ------------------------------------------------------------------------------------------------

def _stat(pid):
    with open("/proc/%d/stat" % pid) as f:
        return f.read().rpartition(")")[2].split()


def tree(root):
    """root and all that descend from it."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                children.setdefault(int(_stat(int(name))[1]), []).append(int(name))
            except (OSError, IndexError):
                pass
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


def cpu_ms(root):
    """CPU that root's tree has used, ended children included."""
    total = 0
    for pid in tree(root):
        try:
            total += sum(int(field) for field in _stat(pid)[11:15])
        except (OSError, IndexError):
            pass
    return total * TICK


def pss_mib(root):
    """Memory of root's tree, shared pages counted once."""
    total = 0
    for pid in tree(root):
        try:
            with open("/proc/%d/smaps_rollup" % pid) as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
        except OSError:
            pass
    return total / 1024.0


def peak_rss_mib(pid):
    """The largest resident set of one process since it began, or since forget_peak."""
    with open("/proc/%d/status" % pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:")) / 1024.0


def forget_peak(pid):
    with open("/proc/%d/clear_refs" % pid, "w") as f:
        f.write("5")


def settle(root, seconds=120):
    """Wait until root's tree has used next to nothing for half a second."""
    end, before = time.monotonic() + seconds, cpu_ms(root)
    while time.monotonic() < end:
        time.sleep(0.5)
        now = cpu_ms(root)
        if now - before <= 20:
            return
        before = now
    raise Unable("it did not come to rest within %d s" % seconds)
