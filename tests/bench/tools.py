"""tools - our own load tools as objects: Sink, source(), Held (idle sessions), repeat(); and their build."""
import json
import os
import select
import subprocess
import time

from place import Unable

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(TOP, os.environ.get("BUILD", "build"))
DIR = os.path.join(BUILD, "bench")
FLAGS = ("-std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror -Wshadow -Wformat=2 -Wstrict-prototypes "
         "-Wmissing-prototypes -Wvla -Wwrite-strings -Wpointer-arith -Wno-unused-parameter").split()


def build():
    """Compile what is older than its source into build/bench."""
    os.makedirs(DIR, exist_ok=True)
    shared = [os.path.join(HERE, name) for name in ("bench.c", "secure.c", "bench.h", "secure.h")]
    for name in "source", "sink", "repeat":
        program, text = os.path.join(DIR, name), os.path.join(HERE, name + ".c")
        if not os.path.exists(program) or any(os.path.getmtime(f) > os.path.getmtime(program) for f in shared + [text]):
            compiler = os.environ.get("CC", "gcc").split()
            subprocess.run(compiler + FLAGS + ["-I" + TOP, "-o", program, text] +
                           (shared[:1] if name == "repeat" else shared[:2] + ["-lssl", "-lcrypto"]), check=True)


def certificate(kind):
    """A file with a key and its certificate for localhost: "rsa" (2048 bits) or "ec" (P-256)."""
    path = os.path.join(DIR, kind + ".pem")
    if not os.path.exists(path):
        new = {"rsa": ["rsa:2048"], "ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]}[kind]
        done = subprocess.run(["openssl", "req", "-x509", "-newkey", *new, "-nodes", "-days", "3650", "-keyout", "-", "-out", "-", "-subj",
                               "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if done.returncode:
            raise Unable("openssl req: exit status %d" % done.returncode)
        with open(path, "wb") as f:
            f.write(done.stdout)
    return path


def json_line(process, what, seconds):
    """The next line a tool prints, as an object."""
    if not select.select([process.stdout], [], [], seconds)[0]:
        raise Unable("%s within %d s" % (what, seconds))
    line = process.stdout.readline()
    if not line:
        raise Unable("%s: %s ended" % (what, process.args[0]))
    return json.loads(line)


class Sink:
    """sink under orders."""

    def __init__(self, port, *options, address="127.0.0.1"):
        self.port = port
        self.process = subprocess.Popen([os.path.join(DIR, "sink"), "-i", *options, "%s:%d" % (address, port)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.order("stats")

    def order(self, words, seconds=10, what="no answer from the sink"):
        self.process.stdin.write(words.encode() + b"\n")
        self.process.stdin.flush()
        return json_line(self.process, what, seconds)

    def wait(self, count, seconds=120):
        return self.order("wait %d" % count, seconds, "%d messages did not reach the sink" % count)

    def reset(self):
        return self.order("reset")


def source(port, *options, check=True):
    """Run source to its end; its numbers."""
    done = subprocess.run([os.path.join(DIR, "source"), *map(str, options), str(port)], stdout=subprocess.PIPE)
    result = json.loads(done.stdout)
    if check and result["refused"]:
        raise Unable("%d messages refused, %d accepted" % (result["refused"], result["accepted"]))
    return result


class Held:
    """Idle sessions, open until close()."""

    def __init__(self, port, count, *options):
        self.process = subprocess.Popen([os.path.join(DIR, "source"), "-i", *options, "-s", str(count), str(port)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        got = json_line(self.process, "%d sessions did not open" % count, 60)["open"]
        if got != count:
            raise Unable("only %d of %d sessions opened" % (got, count))

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def repeat(count, stdin, *command, env=None):
    """A command, count times, one by one; what one run costs."""
    done = subprocess.run([os.path.join(DIR, "repeat"), str(count), stdin, *command], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=dict(os.environ, **(env or {})))
    if done.returncode:
        raise Unable(done.stderr.decode().strip())
    result = json.loads(done.stdout)
    if result["failed"]:
        raise Unable("%s: %d of %d runs failed: %s" % (command[0], result["failed"], count,
                                                      done.stderr.decode().strip()[-300:]))
    return result


def wait_for(what, seconds, every=0.002):
    """The first true value of what()."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(every)
    raise Unable("waited %d s in vain for %s" % (seconds, what.__doc__))
