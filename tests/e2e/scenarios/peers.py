"""peers - what stands around the documents' hosts: their files, a provider's smarthost, certificates, web servers."""
import contextlib
import os
import re
import socket
import ssl
import threading
import time

from lab import Authority  # noqa: F401

HERE = os.path.dirname(os.path.abspath(__file__))
QID = r"[0-9A-F]{8,}"
NUMBER = r"\d+(\.\d+)?"
STAMP = r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d %s postfix/%s\[\d+\]: "
SPLIT = "/".join([NUMBER] * 4)

# the smarthost: authenticates over TLS only, and hands everything on by MX
SMARTHOST = """\
myhostname = {name}
mydestination =
mynetworks = 127.0.0.0/8
inet_protocols = all
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_chain_files = /etc/postfix/chain.pem
smtpd_tls_loglevel = 1
smtpd_sasl_auth_enable = yes
smtpd_sasl_local_domain = {name}
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_client_connection_count_limit = 0
"""
SASL = "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN CRAM-MD5\n"


def filled(name, fill=None, without=()):
    """A document's file. fill maps placeholders to text; lines with a word of `without` are for another host."""
    with open(os.path.join(HERE, "configs", name), encoding="utf-8") as f:
        lines = [line for line in f if not any(word in line for word in without)]
    text = "".join(lines)
    for placeholder, value in (fill or {}).items():
        assert placeholder in text, placeholder
        text = text.replace(placeholder, value)
    return text


def check(lines, hostname, *wanted):
    """The lines are these and in this order: (service, rest of the line as a pattern)."""
    for line, (service, rest) in zip(lines, wanted):
        assert re.search(STAMP % (re.escape(hostname), service) + rest + "$", line), line
    assert len(lines) == len(wanted), "\n".join(lines)


def smarthost(host, name, authority, user, password, port=587, main="", services=""):
    """Make host the provider's smarthost: a real Postfix with STARTTLS and AUTH."""
    cert, key = authority.issue(name)
    with open(cert) as c, open(key) as k:
        host.write("/etc/postfix/chain.pem", k.read() + c.read(), 0o600)
    host.write("/etc/postfix/main.cf", SMARTHOST.format(name=name) + main)
    host.write("/etc/postfix/sasl/smtpd.conf", SASL)
    host.run("saslpasswd2", "-p", "-c", "-f", "/etc/sasldb2", "-u", name, user, stdin=password)
    host.run("chgrp", "postfix", "/etc/sasldb2")
    host.run("chmod", "640", "/etc/sasldb2")
    return host.postfix("%d inet n - n - - smtpd\n%s" % (port, services), port=port)


class Web(threading.Thread):
    """An HTTPS server of host at address. `pages` maps a host name to (status, type, body), or to a function of the request that gives
    that; a body that is a list is sent chunk by chunk; `requests` has (host name, first line, body) of each."""

    def __init__(self, host, address, cert, key, pages, port=443):
        super().__init__(daemon=True)
        self.pages, self.requests = pages, []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert, key)
        with host.network():
            self.listener = socket.create_server((address, port), backlog=128)
        self.start()

    def run(self):
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(raw,), daemon=True).start()

    def serve(self, raw):
        with contextlib.suppress(OSError, ssl.SSLError), self.context.wrap_socket(raw, server_side=True) as conn:
            request = b""
            while b"\r\n\r\n" not in request:
                got = conn.recv(65536)
                if not got:
                    return
                request += got
            head, _, body = request.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            while length and len(body) < int(length.group(1)):
                got = conn.recv(65536)
                if not got:
                    return
                body += got
            name = re.search(rb"Host: (\S+)", head).group(1).decode()
            self.requests.append((name, head.decode(), body))
            page = self.pages.get(name, (404, "text/plain", "no"))
            status, kind, text = page(body) if callable(page) else page
            if isinstance(text, list):
                conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                conn.sendall(("HTTP/1.1 %d X\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n" % (status, kind)).encode())
                for piece in text:
                    time.sleep(0.0005)
                    conn.sendall(b"%x\r\n%s\r\n" % (len(piece), piece.encode()))
                conn.sendall(b"0\r\n\r\n")
                return
            conn.sendall(("HTTP/1.1 %d X\r\nContent-Type: %s\r\nLocation: https://x.lab/\r\nContent-Length: %d\r\n\r\n%s"
                          % (status, kind, len(text), text)).encode())

    def close(self):
        """Nobody answers there any more."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
