"""Messages of every kind, by sendmail -t, SMTP DATA and BDAT: they arrive byte for byte, added headers aside."""
import glob
import os
import random
import re
import smtplib

import pytest
from lab import Relay, Sink, SLOW, wait

DROPPED = {b"bcc", b"resent-bcc", b"content-length", b"return-path"}  # message_drop_headers
MAY_BE_ADDED = {b"message-id", b"date", b"from"}


def python_corpus():
    out = []
    for path in sorted(glob.glob("/usr/lib/python3*/test/test_email/data/msg_*.txt")):
        with open(path, "rb") as f:
            out.append((os.path.basename(path), f.read()))
    return out


def generated(count=500):
    rng = random.Random(2026)
    out = []
    for i in range(count):
        head = [b"Subject: awkward %d" % i, b"To: someone@example.org"]
        if rng.random() < 0.5:
            head.append(b"X-Folded: a" + b"\r\n\t" + b"b" * rng.randrange(1, 60) + b"\r\n  c")
        if rng.random() < 0.3:
            head.append(b"X-Long: " + b"w" * rng.randrange(900, 990))
        if rng.random() < 0.3:
            head.append("X-Utf8: ünïcödé 東京".encode())
        if rng.random() < 0.2:
            head.append(b"x-empty:")
        kind = rng.randrange(8)
        if kind == 0:
            body = b""
        elif kind == 1:
            body = b"".join(rng.choice([b".", b"..", b".\t", b"a."]) + b"\r\n" for _ in range(rng.randrange(1, 40)))
        elif kind == 2:
            body = b"\r\n".join(bytes(rng.choice(b"abc .") for _ in range(998)) for _ in range(3)) + b"\r\n"
        elif kind == 3:
            body = bytes(rng.choice([c for c in range(256) if c not in (10, 13)]) for _ in range(rng.randrange(1, 900))) + b"\r\n"
        elif kind == 4:
            body = b"no final newline " + b"x" * rng.randrange(0, 500)
        elif kind == 5:
            body = b"\r\n" * rng.randrange(1, 20) + b"From here\r\n" + b"\r\n.\r\n"
        elif kind == 6:
            body = "日本語のメール本文。\r\n".encode() * rng.randrange(1, 200)
        else:
            body = b"".join(b"line %d of many\r\n" % n for n in range(rng.randrange(1, 3000)))
        out.append(("awkward-%03d" % i, b"\r\n".join(head) + b"\r\n\r\n" + body))
    return out


CORPUS = python_corpus()
MESSAGES = CORPUS + generated()


def to_crlf(b):
    """What SMTP carries: CRLF lines; a carriage return alone cannot travel and becomes a space (threats A2)."""
    b = b.replace(b"\r\n", b"\n")
    return b.replace(b"\r", b" ").replace(b"\n", b"\r\n")


FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:")


def fields(content):
    """(header fields with folding, body) as RFC 5322 and Postfix split a message: a line that is no field starts the body."""
    lines = content.split(b"\r\n")
    head, i = [], 0
    while i < len(lines):
        line = lines[i]
        if line == b"":
            i += 1
            break
        if line[:1] in (b" ", b"\t") and head:
            head[-1] += b"\r\n" + line
        elif FIELD.match(line):
            head.append(line)
        else:
            break
        i += 1
    return head, b"\r\n".join(lines[i:])


def name(field):
    return field.split(b":", 1)[0].strip().lower()


def mailbox_line(content):
    """A line that begins a message in a mailbox is no field, but what follows it is the header (Postfix: X-Mailbox-Line)."""
    return re.sub(rb"\A>*From ", lambda m: b"X-Mailbox-Line: " + m.group(0).lstrip(b">"), content)


def compare(label, sent, got):
    want_head, want_body = fields(mailbox_line(to_crlf(sent)))
    got_head, got_body = fields(got)
    assert name(got_head[0]) == b"received", (label, got_head[0])
    rest = got_head[1:]
    want_head = [f for f in want_head if name(f) not in DROPPED]
    assert rest[:len(want_head)] == want_head, (label, [p for p in zip(rest, want_head) if p[0] != p[1]][:2])
    added = rest[len(want_head):]
    assert all(name(f) in MAY_BE_ADDED for f in added), (label, added)
    if want_body and not want_body.endswith(b"\r\n"):
        want_body += b"\r\n"
    assert got_body == want_body, (label, len(got_body), len(want_body), got_body[:80], want_body[:80])


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with Sink() as sink:
        r = Relay(tmp_path_factory.mktemp("corpus") / "r", "relayhost = [127.0.0.1]:%d\nappend_at_myorigin = no\n"
                  "smtpd_client_connection_count_limit = 0\nsmtputf8_enable = yes\n" % sink.port)
        with r:
            yield r, sink


def arrived(sink, rcpt):
    """The content that came for this recipient."""
    return [m.content for m in list(sink.messages) if rcpt in m.rcpts]


def check_all(sink, way, edit=lambda content: content):
    for n, (label, sent) in enumerate(MESSAGES):
        rcpt = "%s-%d@example.org" % (way, n)
        wait(lambda: arrived(sink, rcpt), 30)
        compare(way + " " + label, edit(sent), arrived(sink, rcpt)[0])


def test_the_corpus_is_there():
    assert len(CORPUS) > 40


def test_by_smtp_data(lab):
    r, sink = lab
    with smtplib.SMTP("127.0.0.1", r.port) as c:
        c.ehlo("corpus.test")
        for n, (label, sent) in enumerate(MESSAGES):
            assert c.mail("s@example.com", ["BODY=8BITMIME"])[0] == 250
            assert c.rcpt("data-%d@example.org" % n)[0] == 250
            content = to_crlf(sent)
            assert c.docmd("DATA")[0] == 354
            stuffed = re.sub(rb"(?m)^\.", b"..", content)
            c.send(stuffed + (b"" if stuffed.endswith(b"\r\n") else b"\r\n") + b".\r\n")
            code, text = c.getreply()
            assert code == 250, (label, code, text)
    check_all(sink, "data")


def test_by_bdat_in_random_chunks(lab):
    r, sink = lab
    rng = random.Random(1)
    with smtplib.SMTP("127.0.0.1", r.port) as c:
        c.ehlo("corpus.test")
        assert c.has_extn("chunking")
        for n, (label, sent) in enumerate(MESSAGES):
            content = to_crlf(sent)
            assert c.mail("s@example.com", ["BODY=8BITMIME"])[0] == 250
            assert c.rcpt("bdat-%d@example.org" % n)[0] == 250
            cut = rng.randrange(1, len(content) + 1)  # an empty chunk that is not the last is refused, as by Postfix
            if rng.random() < 0.5:
                c.send(b"BDAT %d\r\n" % cut + content[:cut])
                code, text = c.getreply()
                assert code == 250, (label, cut, code, text)
                c.send(b"BDAT %d LAST\r\n" % (len(content) - cut) + content[cut:])
            else:
                c.send(b"BDAT %d LAST\r\n" % len(content) + content)
            code, text = c.getreply()
            assert code == 250, (label, code, text)
    check_all(sink, "bdat")


def test_by_sendmail_t(lab):
    r, sink = lab
    for n, (label, sent) in enumerate(MESSAGES):
        # as a local program writes it: lines end in LF
        local = to_crlf(sent).replace(b"\r\n", b"\n")
        done = r.run("sendmail", "-t", "-i", "-f", "s@example.com", "sendmail-%d@example.org" % n, stdin=local, check=False)
        assert done.returncode == 0, (label, done.returncode, done.stderr)
    # as every sendmail does, it takes a mailbox's From_ line off
    check_all(sink, "sendmail", lambda content: re.sub(rb"\A(>?From [^\n]*\n)+", b"", content))
