"""table - the differential table: what a configuration makes of a client, a sender, a recipient and a message, in relaybox and in a
real Postfix, row by row.

    table.py golden [NAME...]   ask the Postfix of this system, and write golden/NAME.json; all of them: make golden
    table.py relaybox NAME      ask relaybox; prints what golden/NAME.json should be
    table.py show NAME          what differs, and how many rows are equal

rows/NAME.rows has worlds. A world is a configuration: lines of main.cf (those before the first world belong to all of the file), `file
NAME` with indented lines, `master LINE`; DIR stands for the folder. Its rows follow:

    value NAME...                             what `postconf -x` prints
    ask TYPE:TABLE KEY...                     what `postmap -q` prints, for each key
    try [client=IP] [helo=NAME] FROM > TO, TO     replies to HELO, MAIL and each RCPT
    mail [client=IP] [helo=NAME] FROM > TO, TO    the same and a message: which server got what, and the log of its deliveries
    say [client=IP] LINE | LINE               replies to these lines
    case NAME                                 as mail, with lines "from", "to", "client", and indented lines of the header and, behind
                                              an empty one, of the body
"""
import contextlib
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import verdicts  # noqa: E402
from lab import RELAYBOX, Relay, wait  # noqa: E402
from world import OWN_CLIENT, SERVER, World, command, dial, enter  # noqa: E402

MADE_HERE = ("received", "message-id", "date", "resent-message-id", "resent-date")
BASE = """\
compatibility_level = 3.6
myhostname = mx.example.test
mydomain = example.test
myorigin = example.test
mydestination = mx.example.test, localhost.example.test, localhost, example.test
mynetworks = 127.0.0.0/8, 10.0.0.0/8
inet_interfaces = %s
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
smtputf8_enable = no
smtpd_peername_lookup = yes
smtp_connection_cache_on_demand = no
smtpd_banner = $myhostname ESMTP
""" % SERVER


# --- rows ---------------------------------------------------------------------------------------------------------------

def row_of(word, rest):
    row = {"kind": word, "name": word + " " + rest, "client": OWN_CLIENT, "helo": "client.test"}
    while re.match(r"(client|helo)=", rest):
        option, _, rest = rest.partition(" ")
        name, _, row[name] = option.partition("=")
    if word in ("try", "mail"):
        sender, to = re.fullmatch(r"(.*?) ?> (.*)", rest).groups()
        row.update({"from": sender, "to": to.split(", "), "body": "body\r\n"})
        row["header"] = ("From: %s\r\n" % sender if sender else "") + "To: %s\r\nSubject: t\r\n" % ", ".join(re.sub("<(.*)>.*", r"\1", t) for t in row["to"])
    elif word == "say":
        row["lines"] = rest.split(" | ")
    elif word == "ask":
        row["words"] = rest.rsplit(" ", 1)
    return row


def from_rows(name):
    """The worlds of rows/NAME.rows."""
    worlds, world, case, file, common = [], None, None, None, ""
    with open(os.path.join(HERE, "rows", name + ".rows"), encoding="utf-8") as f:
        lines = f.read().split("\n")
    for line in lines:
        if not line or line.startswith("#"):
            continue
        word, _, rest = line.partition(" ")
        if line.startswith("\t") and file is not None:
            world["files"][file] += line[1:] + "\n"
        elif line[0] in " \t" and case is None:
            world["main.cf"] += line + "\n"
        elif line.startswith("\t"):
            part = "body" if "" in case["text"] else "header"
            case["text"].append(line[1:])
            if line != "\t":
                case[part] += line[1:] + "\r\n"
        elif word == "world":
            world, case, file = {"name": rest, "main.cf": common, "files": {}, "rows": [], "master": ""}, None, None
            worlds.append(world)
        elif world is None:
            common += line + "\n"
        elif word == "file":
            file, case = rest, None
            world["files"][file] = ""
        elif word == "master":
            world["master"] += rest + "\n"
        elif word == "case":
            file, case = None, {"kind": "mail", "name": rest, "from": "s@sender.test", "to": [], "header": "", "body": "", "text": [], "client": OWN_CLIENT,
                                "helo": "client.test"}
            world["rows"].append(case)
        elif word == "ask":
            table, _, keys = re.fullmatch(r"(.*?)((?<![{,]) )(?![^{]*})(.*)", rest).groups() if "{" in rest else rest.partition(" ")
            world["rows"] += [row_of(word, table + " " + key) for key in keys.split()]
        elif word == "value":
            world["rows"] += [row_of(word, value) for value in rest.split()]
        elif word in ("try", "mail", "say"):
            case, file = None, None
            world["rows"].append(row_of(word, rest))
        elif case is None:
            file = None
            world["main.cf"] += line + "\n"
        elif word == "to":
            case["to"].append(rest)
        else:
            case[word] = rest
    for world in worlds:
        names = [row["name"] for row in world["rows"]]
        assert len(set(names)) == len(names), (world["name"], [n for n in names if names.count(n) > 1])
        for row in world["rows"]:
            if row.get("text") is not None and not row["body"]:
                row["body"] = "body\r\n"
    return worlds


def all_names():
    return sorted(os.path.basename(p)[:-5] for p in glob.glob(os.path.join(HERE, "rows", "*.rows")))


# --- one row ------------------------------------------------------------------------------------------------------------

class Dialogue:
    def __init__(self, client):
        self.sock = dial(client)
        self.file = self.sock.makefile("rb")
        self.greeting = self.reply()

    def reply(self):
        got = []
        while True:
            line = self.file.readline().decode("utf-8", "replace").strip()
            got.append(line)
            if line[3:4] != "-":
                return got

    def say(self, line):
        try:
            self.sock.sendall(line if isinstance(line, bytes) else line.encode() + b"\r\n")
            return self.reply()
        except OSError:
            return [""]

    def close(self):
        self.file.close()
        self.sock.close()


def plain(reply):
    return re.sub(r"queued as \w+", "queued", reply)


def talk(row):
    """The dialogue of a row: replies, and the id that the message got."""
    d = Dialogue(row["client"])
    replies, qid = [], None
    if row["kind"] == "say":
        replies = [" ".join(d.greeting)] + [plain("\n".join(d.say(line.replace("\\n", "\r\n")))) for line in row["lines"]]
    else:
        hello = d.say("EHLO " + row["helo"])
        replies = ([d.greeting[-1]] if d.greeting[-1][:3] != "220" else []) + ([hello[-1]] if hello[-1][:3] != "250" else [])
        replies.append(d.say("MAIL FROM:<%s>" % row["from"])[-1])
        for to in row["to"]:
            replies.append(d.say("RCPT TO:" + (to if "<" in to else "<%s>" % to))[-1])
        if row["kind"] == "mail" and any(r[:1] == "2" for r in replies[-len(row["to"]):]):
            replies.append(d.say("DATA")[-1])
            if replies[-1].startswith("354"):
                text = row["header"] + "X-Row: %s\r\n\r\n%s.\r\n" % (re.sub("[^!-~]", "_", row["name"]), row["body"])
                replies[-1] = d.say(text.encode())[-1]
                found = re.search(r"queued as (\w+)", replies[-1])
                qid = found and found.group(1)
    d.say("QUIT")
    d.close()
    return [plain(r) for r in replies], qid


def fields(header):
    """The header fields that are not made by each system in its own words."""
    out = []
    for line in header.decode("utf-8", "surrogateescape").split("\r\n"):
        if line[:1] in (" ", "\t") and out:
            out[-1] += "\n" + line
        elif line:
            out.append(line)
    return [f for f in out if f.split(":")[0].lower() not in MADE_HERE]


def arrived(got):
    """What servers got, by the row it belongs to."""
    rows = {}
    for where, login, m in got:
        header = fields(m.header)
        name = [f[7:] for f in header if f.startswith("X-Row: ")]
        if not name:
            continue
        one = {"at": where, "from": m.sender, "to": sorted(m.rcpts), "header": [f for f in header if not f.startswith("X-Row:")]}
        if login:
            one["login"] = login
        if m.body != b"body\r\n":
            one["body"] = m.body.decode("utf-8", "replace")
        rows.setdefault(name[0], []).append(one)
    return {name: sorted(v, key=lambda m: (m["to"], m["at"])) for name, v in rows.items()}


DELIVERY = re.compile(r"\w+/(?:\w+/)?(?P<program>\w+)\[\d+\]: (?P<id>\w+): (?P<to>to=<.*?>(?:, orig_to=<.*?>)?), (?P<relay>relay=.*?), (?:conn_use=\d+, )?"
                      r"delay=.*?, (?P<dsn>dsn=[\d.]+), (?P<status>status=\w+) \((?P<text>.*)\)$")
NOTICE = re.compile(r": (?P<id>\w+): (?P<what>\w+ [\w-]+(?: status)? notification): (?P<notice>\w+)$")


def deliveries(log, qid):
    """What the log tells of the message: one line for each recipient, and of its notices."""
    out = []
    for line in log.get(qid, []):
        d, n = DELIVERY.search(line), NOTICE.search(line)
        if d:
            text = re.sub(r"(queued|forwarded) as \w+(, \w+)*", r"\1", d["text"])
            if text == "forwarded":
                for further in re.findall(r"\b[0-9A-F]{6,}\b", d["text"]):
                    out += deliveries(log, further)
            out.append("%s: %s, %s, %s, %s (%s)" % (d["program"], d["to"], d["relay"], d["dsn"], d["status"], text))
        elif n:
            out.append("%s: %s" % (n["what"], "; ".join(deliveries(log, n["notice"]))))
    return sorted(set(out))


def by_id(text):
    log = {}
    for line in text.splitlines():
        found = re.search(r"\]: (\w+): ", line)
        if found:
            log.setdefault(found.group(1), []).append(line)
    return log


# --- a world ------------------------------------------------------------------------------------------------------------

def is_served(world):
    """Does a row need more than the files?"""
    return any(row["kind"] in ("try", "mail", "say") for row in world["rows"])


def ask(system, world, network):
    """Each row's result."""
    results, ids = {}, {}
    for row in world["rows"]:
        if row["kind"] == "value":
            results[row["name"]] = system.run("postconf", "-x", row["name"].split()[1])
        elif row["kind"] == "ask":
            table, key = row["words"]
            results[row["name"]] = system.run("postmap", "-q", key, table.replace("DIR", system.dir))
        else:
            replies, ids[row["name"]] = talk(row)
            results[row["name"]] = {"replies": replies}
    if not is_served(world):
        return results
    # twice: what was logged in the turn that gave the first answer is in the file before the second
    wait(lambda: system.idle() and system.idle(), 60)
    log, out = by_id(system.log()), arrived(network.take())
    for name, qid in ids.items():
        key = re.sub("[^!-~]", "_", name)
        if key in out:
            results[name]["out"] = out[key]
        if qid:
            results[name]["log"] = deliveries(log, qid)
    return results


def text_of(world, folder):
    return BASE + world["main.cf"].replace("DIR", folder)


class OurSystem(Relay):
    def __init__(self, folder, world):
        super().__init__(folder, text_of(world, folder), "25 inet n - n - - smtpd\n" + world["master"].replace("DIR", folder),
                         25, {name: text.replace("DIR", folder) for name, text in world["files"].items()})

    def run(self, applet, *args, **more):
        if applet not in ("postconf", "postmap"):
            return super().run(applet, *args, **more)
        done = subprocess.run([RELAYBOX, applet, "-c", self.dir, *args], capture_output=True, env=self.env, timeout=60)
        return done.stdout.decode().replace(self.dir, "DIR") + ("" if done.returncode == 0 else "exit %d" % done.returncode)

    def idle(self):
        return not any(json.loads(line)["queue_name"] in ("active", "incoming", "maildrop") for line in self.run("postqueue", "-j").stdout.decode().splitlines())


def explained(system, row):
    """What explain says of a mail's recipients: (transport, next hop) of each way, and the refusals."""
    ways, refused = set(), []
    for to in row["to"]:
        args = ["explain", re.sub("<(.*)>.*", r"\1", to)] + (["--from", row["from"]] if row["from"] else [])
        text = system.run("relayctl", *args, check=False).stdout.decode()
        ways |= set(re.findall(r"^=> transport (\S+), nexthop (.*)$", text, re.M))
        refused += re.findall(r"^=> [45]\d\d .*$", text, re.M)
    return ways, refused


def disagreements(system, world, results):
    """Rows whose mail went another way than explain says."""
    programs, out = {"relay": "smtp", "slow": "smtp", "submit2": "smtp"}, []
    for row in world["rows"]:
        told = [d for d in results[row["name"]].get("log", []) if not d.startswith(("sender", "postmaster"))] if row["kind"] == "mail" else []
        if not told:
            continue
        ways, refused = explained(system, row)
        says = {programs.get(t, t) for t, _ in ways}
        for line in told:
            program, relay = re.match(r"(\w+): .*?relay=([^,]*)", line).groups()
            hops = [hop for t, hop in ways if programs.get(t, t) == program]
            literal = all(re.fullmatch(r"\[[\d.]+\](:\d+)?", hop) for hop in hops)
            there = any(re.sub(r"[\[\]]", "", hop).split(":")[0] in relay for hop in hops)
            if program not in says and not (program == "error" and (refused or "deferred transport" in line)) or \
               "status=sent" in line and program == "smtp" and literal and not there:
                out.append("%s: %s, but explain says %s %s" % (row["name"], line, sorted(ways), refused))
    return out


def run_relaybox(world, network, after=None):
    folder = tempfile.mkdtemp(prefix="table-")
    try:
        with OurSystem(folder, world) if is_served(world) else contextlib.nullcontext(OurSystem(folder, world)) as system:
            results = ask(system, world, network)
            if after and is_served(world):
                after(system, world, results)
            if os.environ.get("SHOW_LOG") and is_served(world):
                sys.stderr.write(system.log())
            return results
    except AssertionError as refused:
        return {row["name"]: {"refused": str(refused)} for row in world["rows"]}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Postfix:
    """A Postfix in a folder of its own."""
    SERVICES = """\
25 inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

    def __init__(self, folder, world):
        self.dir = folder
        os.chmod(folder, 0o755)
        for name in ("queue", "data"):
            os.makedirs(os.path.join(folder, name), exist_ok=True)
        shutil.chown(os.path.join(folder, "data"), "postfix")
        for name, content in world["files"].items():
            self.write(name, content.replace("DIR", folder))
        self.write("main.cf", text_of(world, folder) + "queue_directory = %s/queue\ndata_directory = %s/data\nmaillog_file = %s/log\n"
                   "maillog_file_prefixes = /tmp\n" % (folder, folder, folder))
        self.write("master.cf", self.SERVICES + world["master"].replace("DIR", folder))
        for name in world["files"]:
            if "hash:%s/%s" % (folder, name) in text_of(world, folder):
                self.command("postalias" if name.startswith("aliases") else "postmap", "hash:%s/%s" % (folder, name))
        self.is_served = is_served(world)
        if not self.is_served:
            return
        self.command("postfix", "start")
        try:
            wait(self.greets, 30)
        except AssertionError:
            sys.exit("%s: Postfix does not greet:\n%s" % (world["name"], self.log()))

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w") as f:
            f.write(text)
        # it waits with a file that was written just now
        os.utime(path, (1e9, 1e9))

    def command(self, name, *args):
        done = subprocess.run(["/usr/sbin/" + name, "-c", self.dir, *args], capture_output=True, timeout=60)
        if name in ("postconf", "postmap") and "-q" in args or "-x" in args:
            return done.stdout.decode().replace(self.dir, "DIR") + ("" if done.returncode == 0 else "exit %d" % done.returncode)
        if done.returncode:
            raise AssertionError("%s: %s" % (name, done.stderr.decode()))
        return done.stdout.decode()

    run = command

    def greets(self):
        try:
            Dialogue(OWN_CLIENT).close()
            return True
        except OSError:
            return False

    def idle(self):
        return not any(json.loads(line)["queue_name"] in ("active", "incoming", "maildrop") for line in self.command("postqueue", "-j").splitlines())

    def log(self):
        with open(self.dir + "/log", errors="replace") as f:
            return f.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.is_served:
            self.command("postfix", "stop")


def run_postfix(world, network):
    folder = tempfile.mkdtemp(prefix="table-")
    try:
        with Postfix(folder, world) as system:
            try:
                return ask(system, world, network)
            finally:
                if os.environ.get("SHOW_LOG") and is_served(world):
                    sys.stderr.write(system.log())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# --- the table ----------------------------------------------------------------------------------------------------------

def golden_path(name):
    return os.path.join(HERE, "golden", name + ".json")


def read_golden(name):
    with open(golden_path(name), encoding="utf-8") as f:
        return json.load(f)


def write_golden(name, only):
    version = subprocess.run(["/usr/sbin/postconf", "-dh", "mail_version"], capture_output=True, check=True).stdout.decode().strip()
    network, golden = World(), {"postfix": version, "worlds": {}}
    if only:
        golden["worlds"] = read_golden(name)["worlds"]
    for world in from_rows(name):
        if not only or world["name"] in only:
            golden["worlds"][world["name"]] = run_postfix(world, network)
    with open(golden_path(name), "w", encoding="utf-8") as f:
        f.write(json.dumps(golden, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


def differences(name, ours, only=()):
    """(world, row, ours, Postfix's) of each row that is not equal, and how many there are."""
    out, count = [], 0
    for world, rows in read_golden(name)["worlds"].items():
        for row, want in rows.items():
            if only and world not in only:
                continue
            count += 1
            if ours.get(world, {}).get(row) != want:
                out.append((world, row, ours.get(world, {}).get(row), want))
    return out, count


def meant():
    """The rows that differ on purpose: {(file, world, row): reason}. A reason is a line, its rows are indented below it."""
    rows, reason = {}, None
    with open(os.path.join(HERE, "differences"), encoding="utf-8") as f:
        for line in f.read().splitlines():
            if line.startswith("\t"):
                name, world, row = line[1:].split("/", 2)
                rows[name, world, row] = reason
            elif line and line[0] != "#":
                reason = line
    return rows


def ask_and_explain(world, network):
    """Each row's result, under "" where explain says something else, under "#" how many refusals it was asked about."""
    found, counts = [], []

    def explain(*args):
        count, wrong = verdicts.compare(*args)
        counts.append(count)
        found.extend(disagreements(*args) + wrong)
    results = run_relaybox(world, network, explain)
    return {**results, "": found, "#": sum(counts)}


def relaybox(name, only=()):
    """Ask relaybox inside a network of its own: {world: {row: result, "": what explain says otherwise}}."""
    done = subprocess.run(command(os.path.abspath(__file__), "relaybox", name, *only), stdout=subprocess.PIPE, env=dict(os.environ), timeout=300)
    return json.loads(done.stdout) if done.returncode == 0 else {}


def main(verb, names):
    if verb == "golden":
        for name in [names] if names and names[0] in all_names() else [[n] for n in all_names()]:
            subprocess.run(command(os.path.abspath(__file__), "golden-inside", *name), check=True)
    elif verb == "golden-inside":
        enter()
        write_golden(names[0], names[1:])
    elif verb == "relaybox":
        enter()
        network = World()
        print(json.dumps({w["name"]: ask_and_explain(w, network) for w in from_rows(names[0]) if not names[1:] or w["name"] in names[1:]}))
        sys.stdout.flush()
        os._exit(0)
    elif verb == "show":
        for name in names[:1] or all_names():
            found, count = differences(name, relaybox(name, names[1:]), names[1:])
            told = set()
            for world, row, ours, want in found:
                if isinstance(ours, dict) and "refused" in ours:
                    if world not in told:
                        print("%s/%s: %s" % (name, world, ours["refused"]))
                    told.add(world)
                    continue
                print("%s/%s: %s" % (name, world, row))
                parts = set(ours or {}) | set(want) if isinstance(want, dict) else None
                for part in sorted(parts or ["is"]):
                    a, b = (((ours or {}).get(part), want.get(part)) if parts else (ours, want))
                    if a != b:
                        print("    ours    %s: %s\n    postfix %s: %s" % (part, a, part, b))
            print("%s: %d of %d equal" % (name, count - len(found), count))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "", sys.argv[2:])
