"""A client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), made of Python's hashlib alone."""
import base64
import hashlib
import hmac
import os


def b64(raw):
    return base64.b64encode(raw).decode()


def mac(key, text):
    return hmac.new(key, text, "sha256").digest()


class Scram:
    """One exchange. Whatever a test wants to be wrong is an attribute that it changes on the way."""
    def __init__(self, user, password, flag="n", authzid="", binding=b"", nonce=None):
        self.password, self.binding = password, binding
        self.header = "%s,%s," % (flag, "a=" + authzid if authzid else "")
        self.nonce = nonce or b64(os.urandom(18))
        self.bare = "n=%s,r=%s" % (user.replace("=", "=3D").replace(",", "=2C"), self.nonce)

    def first(self):
        return b64((self.header + self.bare).encode())

    def final(self, challenge):
        self.server_first = base64.b64decode(challenge).decode()
        said = dict(part.split("=", 1) for part in self.server_first.split(","))
        assert list(said) == ["r", "s", "i"] and said["r"].startswith(self.nonce) and len(said["r"]) >= len(self.nonce) + 18
        self.whole, self.salt, self.rounds = said["r"], base64.b64decode(said["s"]), int(said["i"])
        return self.proof()

    def proof(self):
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), self.salt, self.rounds)
        key = mac(salted, b"Client Key")
        without = "c=%s,r=%s" % (b64(self.header.encode() + self.binding), self.whole)
        message = ",".join((self.bare, self.server_first, without)).encode()
        self.signature = mac(mac(salted, b"Server Key"), message)
        proof = bytes(a ^ b for a, b in zip(key, mac(hashlib.sha256(key).digest(), message)))
        return b64((without + ",p=" + b64(proof)).encode())

    def server_knows(self, last):
        return base64.b64decode(last) == b"v=" + b64(self.signature).encode()


def login(c, exchange, plus=False, initial=True):
    """The reply to the last command, with an smtplib client; the server shows that it knows the password, too."""
    word = "AUTH SCRAM-SHA-256" + ("-PLUS" if plus else "")
    if initial:
        code, text = c.docmd(word, exchange.first())
    else:
        assert c.docmd(word) == (334, b"")
        code, text = c.docmd(exchange.first())
    if code == 334:
        code, text = c.docmd(exchange.final(text))
    if code == 334:
        assert exchange.server_knows(text)
        code, text = c.docmd("")
    return "%d %s" % (code, text.decode())
