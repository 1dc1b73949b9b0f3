"""mta - the relays under measurement: relayd, Postfix as it comes, Postfix tuned. One interface:

    with Relayd(sink_port, queue="disk") as mta:     starts it, and ends it
        mta.port  mta.pid  mta.sendmail (a command and its environment)

Everything lies in build/bench/run, on the disk that build/ is on; queue="tmpfs" puts the queue into memory.
"""
import os
import shutil
import signal
import socket
import subprocess
import time

from place import ROOT, Unable, mount, tree
from tools import DIR, BUILD, wait_for

RELAYBOX = os.path.abspath(os.environ.get("RELAYBOX", os.path.join(BUILD, "relaybox")))
RUN = os.path.join(DIR, "run")
POSTFIX = "/usr/lib/postfix/sbin/master"
# Postfix's own master.cf without what no relay needs, and without chroot: Debian's would need files copied there
POSTFIX_SERVICES = """\
pickup    unix  n - n 60    1 pickup
cleanup   unix  n - n -     0 cleanup
qmgr      unix  n - n 300   1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n -     - trivial-rewrite
bounce    unix  - - n -     0 bounce
defer     unix  - - n -     0 bounce
trace     unix  - - n -     0 bounce
verify    unix  - - n -     1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n -     - proxymap
proxywrite unix - - n -     1 proxymap
smtp      unix  - - n -     - smtp
relay     unix  - - n -     - smtp
showq     unix  n - n -     - showq
error     unix  - - n -     - error
retry     unix  - - n -     - error
discard   unix  - - n -     - discard
anvil     unix  - - n -     1 anvil
scache    unix  - - n -     1 scache
"""


def greets(port):
    """Whether port answers 220."""
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as s:
            return s.recv(512).startswith(b"220")
    except OSError:
        return False


def read_anew(program):
    """Take program out of the page cache, as after a boot. What a linker has just written lies there in large pieces, and a kernel that
    maps such a piece whole at its first touch makes a process of it that seems to use all of its program."""
    with open(program, "rb") as f:
        os.fsync(f.fileno())
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class Mta:
    """What both have in common."""
    port, pid, process = 2525, None, None
    dead_port = 2599                           # where nobody listens: what is to be deferred goes there

    def __init__(self, sink_port, queue="disk", files=(), **params):
        self.sink_port, self.files, self.params = sink_port, dict(files), params
        self.dir = os.path.join(RUN, self.name)
        self.queue = os.path.join(self.dir, "queue")
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.queue)
        if queue == "tmpfs":
            if not ROOT:
                raise Unable("a queue in memory: mounting needs root")
            mount("tmpfs", self.queue, "tmpfs", 0, "mode=755")

    def write(self, name, text):
        with open(os.path.join(self.dir, name), "w") as f:
            f.write(text)

    def configure(self, params):
        params = {**params, "relayhost": "[127.0.0.1]:%d" % self.sink_port, "queue_directory": self.queue, **self.params}
        for name, text in self.files.items():
            self.write(name, text)
        os.makedirs(self.dir + "/data", exist_ok=True)
        self.write("main.cf", "".join("%s = %s\n" % (k, v.replace("DIR", self.dir)) for k, v in params.items()))

    def wait_ready(self, seconds=30):
        def ready():
            "a greeting"
            if self.process and self.process.poll() is not None:
                raise Unable("%s ended with %d: %s" % (self.name, self.process.returncode, self.complaint()))
            return greets(self.port)
        wait_for(ready, seconds)

    def complaint(self):
        try:
            with open(os.path.join(self.dir, "stderr"), errors="replace") as f:
                return f.read()[-2000:]
        except OSError:
            return ""

    def spawn(self, command):
        with open(os.path.join(self.dir, "stderr"), "ab") as err:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=err, stderr=err)
        return self.process

    def stop(self):
        """End it as its manual says, and wait for that: it is our child, or became pid 1's, which is us too."""
        os.kill(self.pid, signal.SIGTERM)
        if self.process:
            self.process.wait(60)
        else:
            os.waitpid(self.pid, 0)
        self.pid = self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        for pid in reversed(tree(self.pid)) if self.pid else ():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.process:
            self.process.wait()


class Relayd(Mta):
    name = "relayd"

    def start(self):
        read_anew(RELAYBOX)
        self.configure(dict({
            "myhostname": "relay.example.test", "maillog_file": self.dir + "/log", "inet_interfaces": "127.0.0.1",
            "mydestination": "", "alias_maps": "", "smtpd_peername_lookup": "no", "mynetworks": "127.0.0.0/8",
            "default_process_limit": "20000"},
            **({"mail_owner": "nobody"} if ROOT else {})))
        self.write("master.cf", "%d inet n - n - - smtpd\n" % self.port)
        self.boot()

    def boot(self):
        """Start it on what is there; seconds to the first greeting."""
        began = time.monotonic()
        self.pid = self.spawn([RELAYBOX, "relayd", "-c", self.dir]).pid
        self.wait_ready()
        return time.monotonic() - began

    @property
    def sendmail(self):
        return [RELAYBOX, "sendmail", "-t", "-f", "bench@example.test"], {"MAIL_CONFIG": self.dir, "HOME": self.dir}


class Deep(Relayd):
    """A second relayd, beside one with an empty queue."""
    name, port = "deep", 2526

    def flush(self):
        """Make everything that is deferred due now, and its destinations be tried again."""
        subprocess.run([RELAYBOX, "relayctl", "-c", self.dir, "flush"], check=True, stdout=subprocess.DEVNULL)


class Postfix(Mta):
    """Its log goes to a syslog that nobody serves, which costs it least."""
    name = "postfix"
    tuning = {}

    def start(self):
        if not ROOT:
            raise Unable("Postfix starts as root only")
        if not os.path.exists(POSTFIX):
            raise Unable("Postfix is not installed")
        os.makedirs(self.dir + "/data")
        shutil.chown(self.dir + "/data", "postfix")
        self.configure(dict({
            "compatibility_level": "3.6", "myhostname": "relay.example.test", "data_directory": self.dir + "/data",
            "inet_interfaces": "127.0.0.1", "mydestination": "", "alias_maps": "", "local_recipient_maps": "",
            "smtpd_peername_lookup": "no", "mynetworks": "127.0.0.0/8", "mail_owner": "postfix",
            "setgid_group": "postdrop"}, **self.tuning))
        self.write("master.cf", "127.0.0.1:%d inet n - n - - smtpd\n%s" % (self.port, POSTFIX_SERVICES))
        done = subprocess.run(["postfix", "-c", self.dir, "check"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            raise Unable("postfix check: " + done.stdout.decode(errors="replace"))
        self.pid = self.spawn([POSTFIX, "-d", "-c", self.dir]).pid
        self.wait_ready()

    def boot(self):
        """Start it as its manual says, on what is there; seconds to the first greeting."""
        began = time.monotonic()
        done = subprocess.run(["postfix", "-c", self.dir, "start"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            raise Unable("postfix start: " + done.stdout.decode(errors="replace"))
        self.wait_ready()
        seconds = time.monotonic() - began
        with open(self.queue + "/pid/master.pid") as f:
            self.pid = int(f.read())
        return seconds

    @property
    def sendmail(self):
        return ["/usr/sbin/sendmail", "-C", self.dir, "-t", "-f", "bench@example.test"], {}


class PostfixTuned(Postfix):
    name = "postfix-tuned"
    tuning = {"default_process_limit": "200", "default_destination_concurrency_limit": "100",
              "initial_destination_concurrency": "50", "in_flow_delay": "0", "receive_override_options":
              "no_address_mappings, no_header_body_checks"}


KINDS = {kind.name: kind for kind in (Relayd, Postfix, PostfixTuned)}
