"""checks - many domains for mxcheck: a resolver and a mail server with STARTTLS, each of whose answers takes its time."""
import asyncio
import os
import re
import socket
import ssl
import subprocess
import tempfile
import time

from mta import RELAYBOX
from place import Unable


def name(text):
    return b"".join(bytes([len(p)]) + p.encode() for p in text.split(".")) + b"\0"


class Resolver(asyncio.DatagramProtocol):
    """dN.test has the MX host mxN.test, at 127.0.0.1; all else does not exist."""

    def __init__(self, delay):
        self.delay = delay

    def connection_made(self, transport):
        self.transport = transport
        # a question that is lost here would be asked again after a second, which is not what is measured
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)

    def datagram_received(self, q, peer):
        asyncio.get_running_loop().call_later(self.delay, self.transport.sendto, self.answer(q), peer)

    @staticmethod
    def answer(q):
        at, labels = 12, []
        while q[at]:
            labels.append(q[at + 1:at + 1 + q[at]].decode().lower())
            at += 1 + q[at]
        kind, question, asked, data = int.from_bytes(q[at + 1:at + 3], "big"), q[12:at + 5], ".".join(labels), None
        if kind == 15 and re.fullmatch(r"d\d+\.test", asked):
            data = b"\0\x0a" + name("mx" + asked[1:])
        elif kind == 1 and re.fullmatch(r"mx\d+\.test", asked):
            data = b"\x7f\0\0\1"
        exists = data or re.fullmatch(r"(d|mx)\d+\.test", asked)
        head = q[:2] + (b"\x81\x80" if exists else b"\x81\x83") + b"\0\1" + (b"\0\1" if data else b"\0\0") + b"\0\0\0\0" + question
        return head + (b"\xc0\x0c" + kind.to_bytes(2, "big") + b"\0\1\0\0\0\x3c" + len(data).to_bytes(2, "big") + data if data else b"")


async def serve(reader, writer, delay, context):
    async def say(text):
        await asyncio.sleep(delay)
        writer.write(text + b"\r\n")

    try:
        await say(b"220 mx.test ESMTP")
        secure = False
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                await say(b"250-mx.test\r\n250-PIPELINING\r\n250 8BITMIME" if secure else b"250-mx.test\r\n250-PIPELINING\r\n250 STARTTLS")
            elif verb == b"STAR":
                writer.transport.pause_reading()  # or a quick ClientHello is read as a line
                await say(b"220 2.0.0 go")
                await writer.start_tls(context)
                secure = True
            else:
                await say(b"221 2.0.0 bye")
                break
    except (OSError, ssl.SSLError):
        pass
    finally:
        writer.close()


async def measure(domains, delay, folder, context, certificate):
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Resolver(delay), ("127.0.0.1", 0))
    server = await asyncio.start_server(lambda r, w: serve(r, w, delay, context), "127.0.0.1", 0, backlog=1024)
    with open(os.path.join(folder, "list"), "w") as f:
        f.writelines("d%d.test\n" % i for i in range(domains))
    with open(os.path.join(folder, "out"), "w+") as out:
        began = time.monotonic()
        process = subprocess.Popen(
            [RELAYBOX, "mxcheck", "--json", "-4", "--ca", certificate, "-p", str(server.sockets[0].getsockname()[1]), "--dns",
             "127.0.0.1:%d" % transport.get_extra_info("sockname")[1], "-f", f.name], stdout=out)
        _, status, usage = await loop.run_in_executor(None, os.wait4, process.pid, 0)
        took = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        reached = out.read().count('"finished": true')
    if reached != domains:
        raise Unable("%d of %d servers were looked at, exit status %d" % (reached, domains, process.returncode))
    return {"s": took, "rss_mib": usage.ru_maxrss / 1024, "cpu_ms": (usage.ru_utime + usage.ru_stime) * 1000 / domains}


def run(domains, delay):
    """mxcheck -f for so many domains; seconds, MiB, CPU per domain."""
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "60", "-keyout", key,
                        "-out", certificate, "-subj", "/CN=mx.test", "-addext", "subjectAltName=DNS:*.test"], check=True, stderr=subprocess.DEVNULL)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return asyncio.run(measure(domains, delay, folder, context, certificate))
