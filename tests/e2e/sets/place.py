"""place - where the sets of sets/*.rows are tried: a network of its own in which the names of mail providers lead to servers that remember.

    /usr/bin/python3 place.py [NAME...]     (by the command of differential/world.py) tries the sets and prints {name: what came of it} as JSON

test_sets.py tells how a set is written.
"""
import json
import os
import re
import shutil
import smtplib
import ssl
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), "differential"), os.path.dirname(HERE)]

import world as network  # noqa: E402
from lab import RELAYBOX, Authority, Relay, Sink, SinkSession, wait  # noqa: E402

# who is asked for mail, and where: TLS after STARTTLS at 25, 587 and 2525, from the first byte at 465; logins where it is not 25
PROVIDERS = ("email-smtp.eu-west-1.amazonaws.com smtp.gmail.com smtp-relay.gmail.com smtp.office365.com smtp.sendgrid.net smtp.mailgun.org "
             "smtp-relay.brevo.com smtp.zoho.eu ssl0.ovh.net smtp.postmarkapp.com smtp.fastmail.com in-v3.mailjet.com smtp.mandrillapp.com "
             "smtp.sparkpostmail.com mail.smtp2go.com smtp.isp.example mail.protection.example smtp.ionos.de smtp.mail.yahoo.com smtp.eu.mailgun.org "
             "smtp.gandi.net smtp.strato.de").split()
# hosts of domains, which take mail without a login; plain: without TLS
HOSTS = {"mx.far.test": "tls", "mx.other.test": "plain", "mx1.corp.test": "tls", "mx2.corp.test": "tls", "inside.corp.test": "plain",
         "lists.corp.test": "plain", "archive.corp.test": "plain", "old.partner.test": "plain"}
DOMAINS = {"far.test": "mx.far.test", "other.test": "mx.other.test", "corp.test": "mx1.corp.test", "partner.test": "old.partner.test"}
USERS = {"user": "secret", "apikey": "SG.key", "AKIAEXAMPLE": "BExample/key+1", "alerts@corp.test": "app pass word", "sales@corp.test": "sales-secret",
         "ann@corp.test": "ann-secret", "bob@other.test": "bob-secret", "token": "token"}


class Session(SinkSession):
    def do_RCPT(self, argument):
        if "<gone" in argument:
            self.say("550 5.1.1 no such user")
        else:
            super().do_RCPT(argument)

    def end(self, content):
        header = content.split(b"\r\n\r\n", 1)[0].decode("utf-8", "replace").replace("\r\n ", " ").replace("\r\n\t", " ")
        field = dict((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in reversed(header.split("\r\n"))))
        row = int(field.get("x-row", -1))
        how = ("tls" if self.secure else "clear") + (" login" if self.authenticated else "")
        self.server.got.append((row, "%s %s <%s> -> %s; From: %s%s" % (
            self.server.where, how, self.sender, " ".join("<%s>" % r for r in self.rcpts), field.get("from"),
            "".join("; %s: %s" % (n, field[n.lower()]) for n in ("To", "X-Tag", "Subject") if n.lower() in field))))
        super().end(content)


class Server(Sink):
    def __init__(self, name, address, port, tls, users, got, implicit=False):
        self.got, self.where = got, "%s:%d" % (name, port)
        super().__init__(port, address=address, tls=tls, users=users, implicit=implicit, extensions=("PIPELINING", "8BITMIME", "SIZE 50000000", "DSN"))
        self.RequestHandlerClass = Session


class World:
    def __init__(self):
        folder = tempfile.mkdtemp()
        authority = Authority(os.path.join(folder, "ca"))
        names = list(PROVIDERS) + list(HOSTS) + ["mail.corp.test"]
        self.cert, self.key = authority.issue(*names, file="all")
        subprocess.run(["mount", "--bind", os.path.join(authority.dir, "ca.pem"), "/etc/ssl/certs/ca-certificates.crt"], check=True)
        self.zone, self.got, self.servers = "", [], []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        for i, name in enumerate(PROVIDERS):
            self.add(name, "192.0.2.%d" % (10 + i), [(port, context, port == 465, None if port == 25 else USERS) for port in (25, 587, 465, 2525)])
        for i, (name, kind) in enumerate(HOSTS.items()):
            self.add(name, "192.0.2.%d" % (60 + i), [(25, context if kind == "tls" else None, False, None)])
        self.add("lmtp.corp.test", "192.0.2.80", [(24, None, False, None)])
        for domain, host in DOMAINS.items():
            self.zone += "%s MX 10 %s\n" % (domain, host)
        self.zone += "mail.corp.test A 192.0.2.1\n1.2.0.192.in-addr.arpa PTR mail.corp.test\n100.2.0.192.in-addr.arpa PTR host.far.test\n" \
            "host.far.test A 192.0.2.100\n110.2.0.192.zen.example A 127.0.0.2\n110.2.0.192.in-addr.arpa PTR dyn.pool.test\n"
        network.ZONE = self.zone
        self.names = network.NameServer()

    def add(self, name, address, listeners):
        self.zone += "%s A %s\n" % (name, address)
        self.servers += [Server(name, address, port, tls, users, self.got, implicit) for port, tls, implicit, users in listeners]


def client_of(step):
    """A session as the step has it, ready for MAIL."""
    port = int(step["options"].get("port", 25))
    source = (step["options"].get("client", "127.0.0.1"), 0)
    address = "127.0.0.1" if source[0].startswith("127.") else network.SERVER
    context = ssl._create_unverified_context()
    if port == 465:
        s = smtplib.SMTP_SSL(address, port, timeout=30, source_address=source, context=context)
    else:
        s = smtplib.SMTP(address, port, timeout=30, source_address=source)
    s.ehlo(step["options"].get("helo", "client.test"))
    if "tls" in step["options"]:
        s.starttls(context=context)
        s.ehlo(step["options"].get("helo", "client.test"))
    if "login" in step["options"]:
        s.login(*step["options"]["login"].split(":", 1))
    return s


def say(step, number):
    """What the client hears, unless all is taken; and the queue id."""
    text = "".join("%s\r\n" % h for h in step["header"]) + "X-Row: %d\r\n" % number
    if "From:" not in text and step["verb"] == "mail":
        text += "From: %s\r\n" % (step["sender"] or "<>")
    text += "\r\ntext\r\n"
    told = []
    try:
        s = client_of(step)
    except smtplib.SMTPResponseException as e:
        return ["%d %s" % (e.smtp_code, e.smtp_error.decode())], None
    except smtplib.SMTPNotSupportedError:
        return ["no login is offered"], None
    with s:
        for line in ["MAIL FROM:<%s>" % step["sender"]] + ["RCPT TO:<%s>" % r for r in step["rcpts"]]:
            code, reply = s.docmd(line)
            if code != 250:
                told.append("%d %s" % (code, reply.decode()))
            if code == 421:
                return told, None
        if len(told) >= len(step["rcpts"]):
            return told, None
        code, reply = s.data(text)
        if code != 250:
            return told + ["%d %s" % (code, reply.decode())], None
        return told, reply.decode().split(" as ")[1]


def settle(relay, qids):
    """Until each is gone or waits, and what it was turned into too (an alias makes another message)."""
    def settled():
        "all mail to be gone, or to wait"
        log = relay.log()
        made = set(re.findall(r" ([0-9A-F]{6,}): message-id=", log)) | set(qids)
        return all(re.search(r" %s: (removed|discard:|reject:|to=.*status=deferred)" % q, log) for q in made)
    wait(settled, 20)


def outcome(relay, qid):
    """What the log says of recipients that no server here got."""
    out = []
    for forwarded in re.findall(r" %s: to=.*\(forwarded as ([0-9A-F]+)\)" % qid, relay.log()):
        out += outcome(relay, forwarded)
    for m in re.finditer(r" %s: to=<(.*?)>,.* relay=(.*?),.*status=(\w+) \((.*)\)" % qid, relay.log()):
        if m.group(3) != "sent" or m.group(2) in ("local", "none"):
            out.append("%s %s (%s)" % (m.group(1), m.group(3), m.group(4)))
    return out


def run(world, one):
    """A set: what -t says, and for each step what came of it."""
    folder = tempfile.mkdtemp(prefix="set-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    os.chmod(folder, 0o755)
    for name in ("cert.pem", "key.pem"):
        shutil.copy(world.cert if name == "cert.pem" else world.key, os.path.join(folder, name))
    for name, text in [("main.cf", one["main"])] * bool(one["main"]) + [("master.cf", one["master"])] * bool(one["master"]) + list(one["files"].items()):
        os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
        with open(os.path.join(folder, name), "w") as f:
            f.write(re.sub(r"\bDIR\b", folder, text))
        os.chmod(os.path.join(folder, name), 0o600)
    for name in sorted(set(re.findall(r"\b(?:hash|btree|lmdb):DIR/([\w./-]+)", one["main"] + one["master"])) & set(one["files"])):
        subprocess.run([RELAYBOX, "mapgen", *(["--alias"] if "aliases" in name else []), "hash:%s/%s" % (folder, name)], check=True)
    env = {**{k: os.environ[k] for k in ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS") if k in os.environ}, "POSTFIX_queue_directory": folder + "/queue", "POSTFIX_maillog_file": folder + "/log", "POSTFIX_mail_owner": "root",
           **{k: v.replace("DIR", folder) for k, v in one["env"].items()}}
    # servers stand at port 25 of other addresses of this host
    if "inet_interfaces" not in one["main"]:
        env["POSTFIX_inet_interfaces"] = "127.0.0.1, " + network.SERVER
    tell = subprocess.run([RELAYBOX, "relayd", "-c", folder, "-t"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    out = {"says": [re.sub("^relayd: ", "", line) for line in tell.stdout.replace(folder, "DIR").splitlines() if "/etc/aliases.cdb" not in line], "rows": []}
    if tell.returncode or not one["steps"]:
        return out
    relay = Relay.__new__(Relay)
    relay.dir, relay.port, relay.process, relay.long_steps = folder, 25, None, 0
    relay.env = {**env, "HOME": folder}
    relay.process = subprocess.Popen([RELAYBOX, "relayd", "-c", folder], env=relay.env, stdin=subprocess.DEVNULL,
                                     stderr=open(folder + "/stderr", "ab"))
    world.got.clear()
    try:
        wait(lambda: "daemon started" in relay.log() or relay.process.poll() is not None)
        assert relay.process.poll() is None, relay.stderr()
        told, qids = [], []
        for i, step in enumerate(one["steps"]):
            if step["verb"] == "send":
                header = "".join("%s\n" % h for h in step["header"]) + "X-Row: %d\n\ntext\n" % i
                sender = ["-f", step["sender"]] if step["sender"] else []
                before = set(re.findall(r" ([0-9A-F]{6,}): uid=", relay.log()))
                done = subprocess.run([RELAYBOX, "sendmail", "-C", folder, "-i", *sender, "--", *step["rcpts"]], input=header, env=relay.env,
                                      capture_output=True, text=True)
                told.append([done.stderr.strip()] if done.returncode else [])
                new = set(re.findall(r" ([0-9A-F]{6,}): uid=", relay.log())) - before
                qids.append(new.pop() if new else None)
            else:
                heard, qid = say(step, i)
                told.append(heard)
                qids.append(qid)
        settle(relay, [q for q in qids if q])
        for i, step in enumerate(one["steps"]):
            got = sorted(line for row, line in list(world.got) if row == i)
            lines = told[i] + got + (outcome(relay, qids[i]) if qids[i] else [])
            out["rows"].append([re.sub(r"\b[0-9A-F]{10,}\b", "ID", line.replace(folder, "DIR")) for line in lines])
    except AssertionError as e:
        out["error"] = str(e) + relay.log()[-3000:]
    finally:
        relay.process.kill()
        relay.process.wait()
        shutil.rmtree(folder)
    return out


if __name__ == "__main__":
    import test_sets
    network.enter()
    for path, text in (("/etc/aliases", "postmaster: root\nroot: admin@corp.test\n"), ("/etc/mailname", "corp.test\n")):
        made = tempfile.NamedTemporaryFile("w", delete=False)
        made.write(text)
        made.close()
        if not os.path.exists(path):
            open(path, "w").close()
        subprocess.run(["mount", "--bind", made.name, path], check=True)
    wanted = sys.argv[1:]
    place = World()
    print(json.dumps({s["name"]: run(place, s) for s in test_sets.all_sets() if not wanted or s["name"] in wanted}))
