"""What inet_interfaces may name: words, addresses with brackets and scopes, names of the hosts file and of DNS."""
import errno
import os
import socket

import pytest

from lab import RELAYBOX, wait

US = "172.16.1.11"


class System:
    def __init__(self, net):
        net.dns("us.example.jp. A " + US, "only6.example.jp. AAAA ::1")
        self.us = net.host("us", US)
        self.us.write("/etc/hosts", "127.0.0.1 localhost\n127.0.0.7 inside.example.jp inside\n::1 inside.example.jp\n")
        # an address may be bound once the kernel has found it to be nobody else's
        show = "ip -6 -o addr show dev eth0 scope link -tentative | sed 's/.*inet6 //; s,/.*,,'"
        self.link_local = wait(lambda: self.us.sh(show).strip())
        self.port = 2525
        self.configure("127.0.0.1")
        self.us.relayd(2525)

    def configure(self, interfaces, protocols="all"):
        self.us.write("/etc/postfix/master.cf", "%d inet n - n - - smtpd\n" % self.port)
        self.us.write("/etc/postfix/main.cf", "relayhost = [127.0.0.1]:1\ninet_interfaces = %s\ninet_protocols = %s\n" % (interfaces, protocols))

    def listening(self, interfaces, protocols="all", code=0):
        """The addresses after a reload."""
        self.configure(interfaces, protocols)
        done = self.us.run(RELAYBOX, "relayctl", "-c", "/etc/postfix", "reload", check=False)
        assert bool(done.returncode) == bool(code), done
        return self.open()

    def open(self):
        found = [line.split()[3].rsplit(":", 1) for line in self.us.sh("ss -Hltn").splitlines()]
        return sorted(address for address, port in found if port == str(self.port))


@pytest.fixture(scope="module")
def system(net):
    return System(net)


# the C libraries' own words: musl's, and glibc's in the build with sanitizers
NOT_AVAILABLE, IN_USE = ("Address not available", "Address in use") if os.environ.get("RELAYBOX_PASS") != "san" else \
    (os.strerror(errno.EADDRNOTAVAIL), os.strerror(errno.EADDRINUSE))


@pytest.mark.parametrize("interfaces,protocols,want", [
    ("all", "all", ["0.0.0.0", "[::]"]),
    ("all", "ipv4", ["0.0.0.0"]),
    ("ALL", "ipv6", ["[::]"]),
    ("loopback-only", "all", ["127.0.0.1", "[::1]"]),
    ("localhost", "ipv4", ["127.0.0.1"]),
    ("127.0.0.2, [127.0.0.3] ::1", "all", ["127.0.0.2", "127.0.0.3", "[::1]"]),
    ("inside.example.jp", "all", ["127.0.0.7", "[::1]"]),
    ("inside", "all", ["127.0.0.7"]),
    ("inside.example.jp", "ipv6", ["[::1]"]),
    ("us.example.jp, localhost", "ipv4", ["127.0.0.1", US]),
    ("only6.example.jp", "all", ["[::1]"]),
])
def test_interfaces_are_what_they_name(system, interfaces, protocols, want):
    assert system.listening(interfaces, protocols) == want


def test_a_link_local_address_needs_its_interface(system):
    index = system.us.sh("ip -o link show eth0").split(":")[0]
    for scope in ("eth0", index):
        for form in ("%s%%%s", "[%s%%%s]"):
            assert system.listening("127.0.0.1, " + form % (system.link_local, scope)) == ["127.0.0.1", "[%s]%%eth0" % system.link_local]


@pytest.mark.parametrize("interfaces,protocols,says", [
    ("nowhere.example.jp", "all", "inet_interfaces: nowhere.example.jp: Name service error for name=nowhere.example.jp"),
    ("::1", "ipv4", "inet_interfaces: ::1: no address of inet_protocols"),
    ("192.0.2.99", "all", "bind 192.0.2.99 port {port}: " + NOT_AVAILABLE),
])
def test_interfaces_that_cannot_be_are_told(system, interfaces, protocols, says):
    serving = system.listening("127.0.0.5, ::1")
    before, says = len(system.us.log("error: ")), says.format(port=system.port)
    assert system.listening("127.0.0.6, " + interfaces, protocols, code=1) == serving == ["127.0.0.5", "[::1]"]
    assert says in system.us.wait_log("error: ", before + 1)[before]
    done = system.us.run(RELAYBOX, "relayd", "-c", "/etc/postfix", "-o", "queue_directory=/var/spool/other", "-o", "maillog_file=", check=False)
    assert done.returncode and says in done.stderr.decode(), done


def test_all_and_single_addresses_take_turns(system):
    """Neither can be bound while the other is."""
    for _ in range(2):
        assert system.listening("127.0.0.5, ::1") == ["127.0.0.5", "[::1]"]
        assert system.listening("all") == ["0.0.0.0", "[::]"]


def test_what_another_program_has_is_not_taken(system):
    assert system.listening("all") == ["0.0.0.0", "[::]"]
    first = system.port
    with system.us.network():
        other = socket.create_server(("127.0.0.9", first + 1))
    with other:
        system.port += 1
        assert system.listening("all", code=1) == ["127.0.0.9"]
        system.us.wait_log("bind all interfaces port %d: %s" % (system.port, IN_USE))
        system.port = first
        assert system.open() == ["0.0.0.0", "[::]"] and system.us.greets(first)
    system.port += 1
    assert system.listening("all") == ["0.0.0.0", "[::]"]


def test_a_privileged_port_needs_a_restart(system):
    system.listening("127.0.0.1")
    first = system.port
    system.port = 25
    assert system.listening("127.0.0.1", code=1) == []
    system.us.wait_log("bind 127.0.0.1 port 25: Permission denied: such a port needs a restart")
    system.port = first
    assert system.us.greets(first)
