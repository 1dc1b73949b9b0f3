"""net - hosts of their own for the scenarios: network, mount and host name namespaces behind one router, and real peers.

    net = Net(folder)
    net.dns("example.jp. MX 10 mx.example.jp.", "mx.example.jp. A 192.0.2.25")     one nsd for all hosts
    c = net.host("c", "172.16.1.11", hostname="mailtest1")
    c.write("/etc/postfix/main.cf", text)            c.path(NAME) is the same file seen from here
    c.relayd()  c.postfix()  c.haproxy(text)  c.sink(port)                         all end with net.close()
    c.run("mail", "-s", "hello", "root", stdin="text")

A host has an /etc, /home, /root, /var/spool, /var/log, /var/lib/postfix and /run of its own, so that a document's paths
hold as they are. Nothing has a name outside: a host is a sleeping process, and close() ends it and whatever runs in
its network; a guard does so when the tests are killed. net.cut(ADDRESS) makes an address swallow packets,
net.refuse(ADDRESS) makes it unreachable, net.heal(ADDRESS) undoes both.
"""
import contextlib
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import pytest

from lab import RELAYBOX, SLOW, Sink, wait

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
KEPT = ("passwd", "group", "shadow", "gshadow", "login.defs", "nsswitch.conf", "services", "protocols", "localtime", "ld.so.cache", "ld.so.conf",
        "ssl/openssl.cnf", "mailname", "mail.rc", "s-nail.rc", "postfix/postfix-files", "postfix/postfix-files.d", "postfix/dynamicmaps.cf",
        "postfix/dynamicmaps.cf.d")
SEEN = ("alternatives", "default", "fail2ban", "ld.so.conf.d", "pam.d", "perl", "security")  # the machine's own, which nobody changes
GATEWAY = "169.254.1.1"
OWN = ("/etc", "/home", "/root", "/var/mail", "/var/spool", "/var/log", "/var/lib/postfix", "/var/lib/relaybox", "/run")
POSTFIX = "/usr/lib/postfix/sbin/master"
# the hosts' files are in memory where there is one: Postfix flushes many, and a flush waits for whatever else the disk is doing
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) and shutil.disk_usage("/dev/shm").free > 2 << 30 else None
# if the tests are killed: end whatever lives in the networks that were told, and remove its files
GUARD = """
import os, shutil, socket, sys, time
told, networks = socket.socket(fileno=0), []
while True:
    byte, fds = socket.recv_fds(told, 1, 1)[:2]
    if not byte:
        break
    networks += [os.fstat(fd).st_ino for fd in fds]
for turn in range(100):
    found = False
    for entry in os.listdir('/proc'):
        try:
            if entry.isdigit() and os.stat('/proc/%s/ns/net' % entry).st_ino in networks:
                found = True
                os.kill(int(entry), 9)
        except OSError:
            pass
    if not found:
        break
    time.sleep(0.05)
shutil.rmtree(sys.argv[1], ignore_errors=True)
"""
# what the distribution's main.cf says before the document's lines, and its master.cf without chroot
POSTFIX_MAIN = """\
compatibility_level = 3.6
maillog_file = /var/log/maillog
alias_maps = hash:/etc/aliases
smtpd_tls_cert_file =
"""
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
local     unix  - n n -     - local
virtual   unix  - n n -     - virtual
lmtp      unix  - - n -     - lmtp
anvil     unix  - - n -     1 anvil
scache    unix  - - n -     1 scache
postlog   unix-dgram n - n - 1 postlogd
"""


def unable():
    """Why networks cannot be made here, or None."""
    if os.geteuid() != 0:
        return "networks of their own need root"
    for tool in ("unshare", "nsenter", "setpriv", "ip", "nsd", POSTFIX):
        if not shutil.which(tool):
            return "%s is not installed" % tool
    if subprocess.run(["unshare", "-n", "-m", "-u", "true"], stderr=subprocess.DEVNULL).returncode:
        return "this machine does not allow namespaces"
    return None


def there(name):
    return os.path.exists("/etc/" + name)


class Host:
    """One machine. Only Net makes them."""

    def __init__(self, net, name, hostname):
        self.net, self.name, self.addresses = net, name, []
        self.dir = os.path.join(net.dir, name)
        self.processes, self.sinks = [], []
        os.makedirs(self.dir)
        for own in OWN:
            target = self.dir + own
            if own == "/etc":
                os.makedirs(target)
                subprocess.run(["cp", "-a", "--parents", *filter(there, KEPT), target], cwd="/etc", check=True)
                for seen in filter(there, SEEN):
                    os.makedirs(os.path.join(target, seen))
            else:
                os.makedirs(target)
        if name in net.real:
            os.makedirs(self.path("/var/spool/postfix"))
        self.holder = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "-n", "-m", "-u", "--propagation", "private",
                                        "sleep", "infinity"], stdin=subprocess.DEVNULL)
        wait(lambda: os.readlink("/proc/%d/ns/uts" % self.holder.pid) != os.readlink("/proc/self/ns/uts") or None)
        # held open until nobody looks for its number any more: the kernel gives a freed network's number to the next one made
        self.netns = os.open("/proc/%d/ns/net" % self.holder.pid, os.O_RDONLY)
        self.inode = os.fstat(self.netns).st_ino
        socket.send_fds(net.tell, [b"n"], [self.netns])
        binds = "".join("mount --bind -o ro /etc/%s %s/etc/%s\n" % (seen, self.dir, seen) for seen in filter(there, SEEN))
        binds += "".join("mkdir -p %s\nmount --rbind %s%s %s\n" % (own, self.dir, own, own) for own in OWN)
        self.sh("hostname %s\nip link set lo up\n%s" % (hostname or name, binds))
        self.write("/etc/hosts", "127.0.0.1 localhost localhost.localdomain\n")
        self.write("/etc/aliases", "postmaster: root\n")

    # files

    def path(self, name):
        return self.dir + name

    def write(self, name, text, mode=0o644):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path(name))
        with open(self.path(name), "wb") as f:
            f.write(text.encode() if isinstance(text, str) else text)
        os.chmod(self.path(name), mode)
        if self.name in self.net.real:
            # Postfix's postmap waits until a table is old enough to be told from the next version
            os.utime(self.path(name), (time.time() - 60,) * 2)

    def read(self, name):
        try:
            with open(self.path(name), errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    # commands

    def inside(self, *command):
        return ["nsenter", "-t", str(self.holder.pid), "-n", "-m", "-u", "--", *command]

    def run(self, *command, stdin="", check=True, env=None, timeout=60):
        done = subprocess.run(self.inside(*command), input=stdin.encode() if isinstance(stdin, str) else stdin, capture_output=True,
                              timeout=timeout * SLOW, env=dict(os.environ, **(env or {})))
        if check and done.returncode:
            raise AssertionError("%s: %s: exit %d\n%s%s" % (self.name, command, done.returncode, done.stdout.decode(errors="replace"),
                                                           done.stderr.decode(errors="replace")))
        return done

    def box(self, applet, *args, **more):
        """An applet; where a real Postfix has this host's place, the command that it has instead."""
        if self.name in self.net.real:
            return self.run(applet, *args, **more)
        return self.run(RELAYBOX, applet, *args, **more)

    def sh(self, script, **more):
        return self.run("sh", "-ec", script, **more).stdout.decode()

    def spawn(self, *command, log="/var/log/daemon.log", env=None):
        with open(self.path(log), "ab") as out:
            process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *self.inside(*command)], stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=out, env=dict(os.environ, **(env or {})))
        self.processes.append(process)
        return process

    @contextlib.contextmanager
    def network(self):
        """In this block, this thread's new sockets are the host's."""
        with open("/proc/thread-self/ns/net") as mine:
            if LIBC.setns(self.netns, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            try:
                yield self
            finally:
                LIBC.setns(mine.fileno(), CLONE_NEWNET)

    def connect(self, address, port, seconds=10):
        with self.network():
            return socket.create_connection((address, port), seconds * SLOW)

    def greets(self, port=25, address="127.0.0.1", reply=b"220"):
        try:
            with self.connect(address, port, 2) as s:
                return s.recv(512).startswith(reply)
        except OSError:
            return False

    # what runs on it

    def relayd(self, port=25, *options, env=None):
        """relayd with /etc/postfix; its log is /var/log/maillog."""
        if self.name in self.net.real:
            params = "".join("%s\n" % option.replace("=", " = ", 1) for option in options if option != "-o")
            # the documents name no compatibility_level, so nobody offers SMTPUTF8; a newer Postfix must not ask for it
            params += "smtputf8_enable = no\n"
            # a connection is over when its QUIT is answered, so that a server can count them
            params += "smtp_skip_quit_response = no\n"
            return self.postfix(self.read("/etc/postfix/master.cf") or "smtp inet n - n - - smtpd\n", params, port)
        process = self.spawn(RELAYBOX, "relayd", "-c", "/etc/postfix", *options, log="/var/log/maillog", env=env)
        self.mta = process
        self.ready(process, port)
        return process

    def postfix(self, services, main="", port=25):
        """A real Postfix: the document's /etc/postfix/main.cf after the distribution's; services are its inet lines."""
        self.write("/etc/postfix/main.cf", POSTFIX_MAIN + self.read("/etc/postfix/main.cf") + "\n" + main)
        self.write("/etc/postfix/master.cf", services + "\n" + POSTFIX_SERVICES)
        os.chmod(self.path("/etc/postfix"), 0o755)
        os.makedirs(self.path("/var/spool/postfix"), exist_ok=True)
        shutil.chown(self.path("/var/lib/postfix"), "postfix")
        for name in sorted(os.listdir(self.path("/etc/postfix"))):
            if name in re.findall(r"hash:/etc/postfix/(\w+)", self.read("/etc/postfix/main.cf")):
                self.run("postmap", "hash:/etc/postfix/" + name)
        self.run("postalias", "hash:/etc/aliases")
        self.run("postfix", "check")
        process = self.spawn(POSTFIX, "-d", log="/var/log/postfix.err")
        self.mta = process
        self.ready(process, port)
        return process

    def haproxy(self, text, port):
        self.write("/etc/haproxy/haproxy.cfg", text)
        process = self.spawn("haproxy", "-db", "-f", "/etc/haproxy/haproxy.cfg", log="/var/log/haproxy.log")
        self.ready(process, port, greeting=False)
        return process

    def ready(self, process, port, greeting=True):
        def answers():
            if process.poll() is not None:
                raise AssertionError("%s ended with %d: %s" % (self.name, process.returncode, self.logs()[-4000:]))
            if greeting:
                return self.greets(port)
            try:
                self.connect("127.0.0.1", port, 2).close()
                return True
            except OSError:
                return False
        answers.__doc__ = "%s to answer on port %d" % (self.name, port)
        try:
            wait(answers, 20)
        except AssertionError as e:
            raise AssertionError(str(e) + "\n" + self.logs()[-4000:])

    def sink(self, port=25, address="0.0.0.0", **more):
        """lab's Sink, on this host."""
        with self.network():
            sink = Sink(port=port, address=address, **more)
        self.sinks.append(sink)
        return sink

    def stop(self, signo=signal.SIGTERM):
        """End what relayd() or postfix() began, with all its processes."""
        self.mta.send_signal(signo)
        self.mta.wait(30 * SLOW)
        if self.name in self.net.real:
            # Postfix's processes finish with their clients in their own time
            self.end_all(keep=self.holder.pid)
        return self.mta.returncode

    # what it says

    def logs(self):
        return "".join("== %s\n%s" % (name, self.read("/var/log/" + name)) for name in sorted(os.listdir(self.path("/var/log"))))

    def log(self, pattern=""):
        return [line for line in self.read("/var/log/maillog").splitlines() if re.search(pattern, line)]

    def wait_log(self, pattern, count=1, seconds=15):
        def seen():
            lines = self.log(pattern)
            return lines if len(lines) >= count else None
        seen.__doc__ = "%d log lines %r on %s" % (count, pattern, self.name)
        try:
            return wait(seen, seconds)
        except AssertionError as e:
            raise AssertionError(str(e) + "\n" + self.logs()[-6000:])

    def add_address(self, address):
        self.addresses.append(address)
        self.net.link(self, address)

    def pids(self):
        """The processes that live in this host's network."""
        found = []
        for entry in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if entry.isdigit() and int(entry) != os.getpid() and os.stat("/proc/%s/ns/net" % entry).st_ino == self.inode:
                    found.append(int(entry))
        return found

    def close(self):
        for sink in self.sinks:
            sink.close()
        self.end_all()

    def end_all(self, keep=None):
        end = time.monotonic() + 10
        while time.monotonic() < end:
            pids = [pid for pid in self.pids() if pid != keep]
            if not pids:
                break
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for process in [self.holder, *self.processes]:
                process.poll()
            time.sleep(0.02)


@contextlib.contextmanager
def lent(folder, real=()):
    """A Net for as long as the block runs; skips the test where there can be none."""
    reason = unable()
    if reason:
        pytest.skip(reason)
    made = Net(str(folder), real)
    try:
        yield made
    finally:
        made.close()


class Net:
    def __init__(self, folder, real=()):
        self.real = real  # names of hosts on which a real Postfix is to run in relayd's place
        self.hosts, self.records, self.nsd = [], [], None
        self.dir = tempfile.mkdtemp(prefix="relaybox-net-", dir=MEMORY or folder)
        os.chmod(self.dir, 0o755)
        self.tell, told = socket.socketpair()
        with told:
            self.guard = subprocess.Popen([sys.executable, "-c", GUARD, self.dir], stdin=told, start_new_session=True)
        try:
            self.router = self.add("router", None)
            self.router.sh("echo 1 > /proc/sys/net/ipv4/ip_forward")
            self.ns = self.host("ns", "192.0.2.53")
        except BaseException:
            self.close()
            raise

    def add(self, name, hostname):
        host = Host(self, name, hostname)
        self.hosts.append(host)
        return host

    def host(self, name, *addresses, hostname=None):
        """A host with one leg at the router."""
        host = self.add(name, hostname)
        leg = "leg%d" % len(self.hosts)
        host.leg = leg
        self.router.sh("ip link add %s type veth peer name eth0 netns %d\nip link set %s up\nip addr add %s/32 dev %s"
                       % (leg, host.holder.pid, leg, GATEWAY, leg))
        host.sh("ip link set eth0 up")
        for address in addresses:
            host.add_address(address)
        host.sh("ip route add %s dev eth0\nip route add default via %s src %s" % (GATEWAY, GATEWAY, addresses[0]))
        host.write("/etc/resolv.conf", "nameserver 192.0.2.53\n")
        return host

    def link(self, host, address):
        host.sh("ip addr add %s/24 dev eth0 noprefixroute" % address)
        self.router.sh("ip route replace %s dev %s" % (address, host.leg))

    def cut(self, address):
        """Packets to address vanish, as behind a closed firewall."""
        self.router.sh("ip route replace blackhole %s/32 metric 0" % address)

    def refuse(self, address):
        """Packets to address are answered with: no such host."""
        self.router.sh("ip route replace unreachable %s/32 metric 0" % address)

    def heal(self, address):
        leg = next(h.leg for h in self.hosts if address in h.addresses)
        self.router.sh("ip route replace %s/32 dev %s metric 0" % (address, leg))

    def dns(self, *records, ttl=300):
        """Add records in zone file form to the one zone there is; a second call keeps the first one's."""
        self.records += records
        zone = "$ORIGIN .\n$TTL %d\n. SOA ns. root. %d 60 60 600 60\n. NS ns.\nns. A 192.0.2.53\n%s\n" % (
            ttl, len(self.records), "\n".join(self.records))
        self.ns.write("/etc/nsd/root.zone", zone)
        if self.nsd:
            self.nsd.send_signal(signal.SIGHUP)
        else:
            self.ns.write("/etc/nsd/nsd.conf", 'server:\n ip-address: 192.0.2.53\n username: ""\n pidfile: ""\n database: ""\n'
                          ' zonesdir: /etc/nsd\n xfrdfile: /run/xfrd.state\n zonelistfile: /run/zone.list\n round-robin: yes\n'
                          ' server-count: 1\n xfrdir: /run\n rrl-ratelimit: 0\nremote-control:\n control-enable: no\n'
                          'zone:\n name: "."\n zonefile: root.zone\n')
            self.nsd = self.ns.spawn("nsd", "-d", "-c", "/etc/nsd/nsd.conf")
        wait(lambda: self.serial() == len(self.records))

    def serial(self):
        """The zone's serial number as the server answers it now, or None."""
        query = b"\x12\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00" + b"\x00\x00\x06\x00\x01"
        with self.ns.network(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.3)
            try:
                s.sendto(query, ("192.0.2.53", 53))
                reply = s.recv(512)
            except OSError:
                return None
        at = reply.find(b"\x04root\x00")  # the mailbox in the SOA record; the serial number comes next
        return int.from_bytes(reply[at + 6:at + 10], "big") if at > 0 else None

    def close(self):
        for host in reversed(self.hosts):
            host.close()
        # every host has ended its own: nothing is left for the guard
        self.guard.kill()
        self.guard.wait()
        self.tell.close()
        shutil.rmtree(self.dir, ignore_errors=True)
        for host in self.hosts:
            os.close(host.netns)
