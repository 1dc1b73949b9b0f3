"""What explain says that a client is told, beside what the client was told: every row of a dialogue in which that can be said."""
import re

# what is refused before any list is asked: forms of addresses, the order of commands, how many they are
SYNTAX = re.compile(r"50[0123] |555 |421 4.4.2 |452 4.5.3 |450 4.7.1 Error: too many ")


def told(row, replies):
    """For each recipient the reply that refused it, or "accepted"; None: nobody can say it beforehand."""
    n = len(row["to"])
    data = row["kind"] == "mail" and any(r[:1] == "2" for r in replies[-1 - n:-1])
    lead = len(replies) - n - data
    first = [r for r in replies[:lead] if r[:1] in "45"][:1]
    out = []
    for at, reply in enumerate(replies[lead:lead + n]):
        said = first + [reply] + (replies[-1:] if data and n == 1 else [])
        refusal = ([r for r in said if r[:1] in "45"] + ["accepted"])[0]
        # with several, the end of the message knows none of them
        if data and n > 1 and refusal == "accepted":
            continue
        if not any(SYNTAX.match(r) for r in replies[:lead] + [reply]):
            out.append((row["to"][at], refusal))
    return out


def verdict(system, row, to):
    args = ["explain", to, "--from", row["from"], "--client", row["client"], "--helo", row["helo"]]
    text = system.run("relayctl", *args, check=False).stdout.decode()
    found = re.findall(r"^client \S+: (.*)$", text, re.M)
    return found[-1] if found else text


def compare(system, world, results):
    """(how many were compared, what differs)"""
    count, wrong = 0, []
    for row in world["rows"]:
        replies = results[row["name"]].get("replies") if row["kind"] in ("try", "mail") else None
        if not replies or len(replies) <= len(row["to"]):
            continue
        for to, want in told(row, replies):
            # explain takes bare addresses
            if "<" in to + row["from"] + row["helo"] or not to:
                continue
            says = verdict(system, row, to)
            # of the content nothing is known beforehand
            if "(if a probe of" in says or (says == "accepted" and row["kind"] == "mail" and want == replies[-1]):
                continue
            count += 1
            # of a reply of several lines the last one
            if says != want and not says.endswith("/" + want[10:]):
                wrong.append("%s, %s: %s, but explain says %s" % (row["name"], to, want, says))
    return count, wrong
