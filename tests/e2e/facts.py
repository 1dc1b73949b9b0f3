"""facts - what a line of the text log says, taken apart by its words alone, as relaybox-log(5) describes them: the JSON form must have
the same under its keys, no more and no less.

Every relay of lab.py writes both forms, and they are compared when it ends (conftest.py). A test that moves its log, or has others write to
one of the two, says so: "log_also =" in its configuration."""
import json
import re

CLIENT = r"(?P<name>\S*?)\[(?P<client>[^]]*)\]"
FIELD = re.compile(r"([\w-]+)=(<[^>]*>|[^,]*)(?:, |$)")
NUMBERS = {"size", "nrcpt", "conn_use", "uid"}
VERBS = re.compile(r" (\S+?)=(\d+)(?:/(\d+))?")
TLS = (r"(?P<trust>\w+) TLS connection established %s: (?P<version>\S+) with cipher (?P<cipher>\S+) \((?P<bits>\d+)/\d+ bits\)")
REJECT = re.compile(r"(?P<event>\w+): (?P<command>[A-Z][\w -]*?) from " + CLIENT +
                    r": (?:(?P<code>\d{3}) )?(?:(?P<enhanced>\d\.\d+\.\d+) )?(?P<text>.*);(?: from=<(?P<from>[^>]*)>)?(?: to=<(?P<to>[^>]*)>)?"
                    r" proto=(?P<proto>\S+)(?: helo=<(?P<helo>[^>]*)>)?")
CHECK = re.compile(r"(?P<event>\w+): (?:(?P<where>header|body) (?P<found>.*)|mime-error (?P<text>.*?): (?P<found2>.*)) from "
                   r"(?:local|" + CLIENT + r"); from=<(?P<from>[^>]*)>(?: to=<(?P<to>[^>]*)>)?(?: proto=(?P<proto>\S+))?(?: helo=<(?P<helo>[^>]*)>)?"
                   r"(?:: (?P<text2>.*))?")


def known(event, pattern, **more):
    return re.compile(pattern), event, more


LINES = [
    known("connect", "connect from " + CLIENT),
    known("tls", TLS % ("from " + CLIENT)),
    known("tls", TLS % r"to (?P<relay>\S+)"),
    known("tls-failed", "SSL_accept error from " + CLIENT + ": .*"),
    known("break", r"(?P<what>.*?) after (?P<command>[A-Z][\w -]*?)(?: \((?P<bytes>\d+) bytes\))? from " + CLIENT),
    known("limit", "(?:Connection (?:rate|concurrency)|AUTH command rate) limit exceeded: .* from " + CLIENT + " for service smtp"),
    known("limit", r"uid \d+ has .*"),
    known("auth-failed", CLIENT + r": SASL (?P<sasl_method>\S+) authentication failed: (?P<text>.*), sasl_username=(?P<sasl_username>.*)"),
    known("illegal-address", "Illegal address syntax from " + CLIENT + r" in (?P<command>\w+) command: (?P<text>.*)"),
    known("not-smtp", "non-SMTP command from " + CLIENT + ": .*"),
    known("bare-lf", "no <CR><LF>.<CR><LF> from " + CLIENT + ", but .*"),
    known("start", r"daemon started -- version (?P<version>\S+), configuration (?P<configuration>.*)"),
    known("reload", r"reload -- version (?P<version>\S+), configuration (?P<configuration>.*)"),
    known("leave", r"terminating on (?P<reason>.*): mail is taken for (?P<seconds>\d+) more seconds"),
    known("stop", r"terminating on (?P<reason>.*)"),
    known("hand-over", "terminating: another relayd takes over"),
    known("notice", r"(?P<what>[a-z -]*notification): (?P<notice>[0-9A-F]{10,})"),
    known("reject", "message rejected: hopcount exceeded"),
    known("repeated", r".* \((?P<repeated>\d+) times more within a minute\)"),
]
POSTSUPER = ("removed", "placed on hold", "released from hold", "requeued", "expired")


def typed(found):
    """The groups that a pattern found, numbers as such."""
    said = {k: v for k, v in found.items() if v is not None}
    return {k: int(v) if k in ("code", "bits", "bytes", "seconds", "repeated") else v for k, v in said.items()}


def fields(text):
    """ "to=<r>, relay=…, status=sent (text)", "uid=0 from=<s>", "client=NAME[IP], sasl_method=…" """
    said, rest, note = {}, text, None
    status = re.search(r"(?:^|, )status=(\S+) \((.*)\)$", text)
    if status:
        rest, note = text[:status.start()], status.group(2)
        said["status"] = status.group(1)
    elif text.endswith(" (queue active)"):
        rest = text[:-len(" (queue active)")]
    elif text.endswith(", returned to sender"):
        rest = text[:-len(", returned to sender")]
    if rest.startswith("uid=") and ", " not in rest:
        rest = rest.replace(" from=", ", from=")
    for key, value in FIELD.findall(rest):
        if key in NUMBERS:
            said[key] = int(value)
        elif key == "delay":
            said[key] = float(value)
        elif key == "delays":
            said[key] = [float(x) for x in value.split("/")]
        elif key == "client":
            said.update(re.fullmatch(CLIENT, value).groupdict())
        else:
            said[key] = value[1:-1] if value.startswith("<") and "message-id" not in key else value
    if note is not None:
        said["text"] = note
    return said


def event_of(said, service, text):
    if "message-id" in said or "resent-message-id" in said:
        return "message-id"
    if "to" in said:
        return "probe" if said["status"] in ("deliverable", "undeliverable") else "delivery"
    if "client" in said or "uid" in said:
        return "accept"
    return "active" if text.endswith("(queue active)") else "expired"


def facts(line):
    """(service, pid, queue id or None, severity, what is said) of a line of the text log."""
    head = re.match(r"\w{3} [ \d]\d [\d:]{8} (?P<host>\S+) \S+?/(?P<service>[\w-]+)\[(?P<pid>\d+)\]: (?:(?P<qid>[0-9A-F]{10,}|NOQUEUE): )?", line)
    text = line[head.end():]
    severity = "info"
    found = re.match("(warning|error|fatal|panic): ", text)
    # what a check warns of is an event of its own, as in Postfix
    if found and not re.match(r"warning: (header|body) ", text):
        severity, text = found.group(1), text[found.end():]
    base = {"service": head["service"], "pid": int(head["pid"]), "severity": severity}
    if head["qid"]:
        base["queue_id"] = head["qid"]
    return dict(base, **words(head["service"], text, head["qid"]))


def words(service, text, qid):
    if qid and service in ("postsuper", "qmgr") and text in POSTSUPER:
        return {"event": text}
    if qid and re.match("(to|from|uid|client|message-id|resent-message-id)=", text):
        said = fields(text)
        return dict(said, event=event_of(said, service, text))
    verbs = re.fullmatch("disconnect from " + CLIENT + r"((?: \S+=\d+(?:/\d+)?)+)", text)
    if verbs:
        return {"event": "disconnect", "client": verbs["client"], "name": verbs["name"],
                "verbs": {v: [int(ok), int(total or ok)] for v, ok, total in VERBS.findall(verbs.group(3))}}
    for pattern, event, more in LINES:
        found = pattern.fullmatch(text)
        if found:
            return dict(typed(found.groupdict()), event=event, **more)
    found = CHECK.fullmatch(text) if service == "cleanup" else None
    if found:
        said = typed(found.groupdict())
        said["found"] = said.get("found", said.pop("found2", ""))
        said["text"] = said.pop("text2", said.get("text", ""))
        said.setdefault("where", "mime-error")
        return said
    found = REJECT.fullmatch(text) if qid else None
    return typed(found.groupdict()) if found else {}


def local(said):
    """A client without an address is no client."""
    return {k: v for k, v in said.items() if k not in ("client", "name")} if said.get("client") == "" else said


def sent_check(said, line):
    """What a check on the way out found: the words do not tell where the header ends and the text begins, so they are put together."""
    text = "%s: %s: %s %s%s" % (said["queue_id"], said["event"], said["where"], said["found"], ": " + said["text"] if said["text"] else "")
    return said if line.endswith("]: " + text) else dict(said, expected=text)


def compare(text, jsons):
    """Both logs, line by line; the number of events that have a name."""
    text, jsons = text.splitlines(), [json.loads(line) for line in jsons.splitlines()]
    assert len(text) == len(jsons), (len(text), len(jsons))
    named = set()
    for line, event in zip(text, jsons):
        said = dict(event)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", said.pop("time")), event
        host = said.pop("host")
        assert re.match(r"\w{3} [ \d]\d [\d:]{8} %s \S+/%s\[%d\]: " % (re.escape(host), said["service"], said["pid"]), line), line
        assert line.endswith("]: " + said.pop("message").replace("\ufffd", "?")), (line, event)
        # what cannot be shown is "?" in text and U+FFFD in JSON
        said = json.loads(json.dumps(said).replace("\\ufffd", "?"))
        want = local(sent_check(said, line) if said["service"] in ("smtp", "lmtp") and "where" in said else facts(line))
        assert said == want, "%s\n%s\n%s" % (line, said, want)
        if "event" in said:
            named.add(said["event"])
    return named
