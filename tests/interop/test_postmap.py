"""Messages as postmap's -b, -h and -m take them apart, beside the real postmap."""
import os
import random
import subprocess

import pytest

from lab import RELAYBOX

# all that is asked for is found, so that the output shows every key
TABLE = "/./ line\n/^$/ empty\n"
MESSAGES = {
    "plain": "Subject: one\n two\n\tthree\nTo :a@b\nX-Caf: caf\u00e9\n\nbody\n\n-- \nlast",
    "mbox line first": "From foo\nSubject: x\n\nbody\n",
    "no body": "Subject: x\n folded\n",
    "no headers": "\nbody: x\n",
    "nothing": "",
    "header line missing": "Subject: x\nno header\nTo: x\n\nbody\n",
    "CRLF": "Subject: x\r\n folded\r\n\r\nbody\r\n",
    "multipart": 'Content-Type: multipart/mixed; boundary="bb"\n\npreamble\n--bb\nContent-Type: text/plain\nX-Part: 1\n\npart\n'
                 "--bb\nContent-Type: message/rfc822\n\nSubject: inner\nX-Inner: y\n\ninner body\n--bb--\nX-Not: header\n",
    "digest": "content-type: Multipart/Digest; boundary=d\n\n--d\n\nSubject: one\n\nbody\n--d\nContent-Type: text/plain\n\nX: no\n--d--\n",
    "two boundaries": "Content-Type: multipart/x; boundary=a; boundary=b\n\n--b\nX: in b\n\n--a\nX: in a\n\n--b\nX: gone\n",
    "nested": "Content-Type: multipart/mixed; boundary=out\n\n--out\nContent-Type: multipart/mixed; boundary=in\n\n--in\nX: deep\n\n"
              "--outer is longer\nX: shallow\n\n--in\nX: closed\n",
    "words": "Content-Type: (comment (in \\) comment)) multipart / mixed (x) ; x=y z w v; (c) boundary = \"b \\\"q\" ; y\n\n--b \"q\nX: y\n\n",
    "empty type": "Content-Type: ;boundary=b\n\n--b\nX: y\n\n",
    "odd types": "Content-Type: message/partial\n\nX: y\n",
    "unknown type of a digest's part": "Content-Type: multipart/digest; boundary=b\n\n--b\nContent-Type: image/png\n\nX: y\n\n",
    "quoted type": 'Content-Type: "multipart"/mixed; boundary=b\n\n--b\nX: y\n\n',
    "empty boundary": 'Content-Type: multipart/mixed; boundary=""\n\n--\nX: y\n\n--x\nY: z\n\n',
    "boundary in the headers": "Content-Type: multipart/mixed; boundary=b\n--b\nX: y\n\n",
}
PIECES = ["Content-Type: multipart/mixed; boundary=a\n", "Content-Type: multipart/digest;\n boundary=\"b\"\n", "Content-Type: message/rfc822\n",
          "content-type : text/plain\n", "Content-Type: message/x\n", "Content-Type: app/x; boundary=a\n", "X: y\n", " folded\n", "\n", "\n", "text\n",
          "--a\n", "--b\n", "--a--\n", "--b--\n", "--ab: x\n", ": x\n", "a b: x\n", "Content-Type: multipart/(c)x; boundary (c) = \"a\n", "\u00e9: x\n"]


def compare(tmp_path, text, options):
    (tmp_path / "re").write_text(TABLE)
    command = ["postmap", "-q", "-", options, "regexp:%s/re" % tmp_path]
    real = subprocess.run(command, input=text.encode("latin-1"), capture_output=True, timeout=60)
    ours = subprocess.run([RELAYBOX, *command], input=text.encode("latin-1"), capture_output=True, timeout=60)
    assert (ours.stdout, ours.returncode) == (real.stdout, real.returncode), (text, options)
    return len(real.stdout)


@pytest.mark.parametrize("options", ["-h", "-b", "-hb", "-hm", "-bm", "-hbm"])
def test_messages_fall_into_the_same_keys(tmp_path, options):
    assert sum(compare(tmp_path, text, options) for text in MESSAGES.values()) > 500


def test_messages_of_random_pieces_fall_into_the_same_keys(tmp_path):
    chance = random.Random(1)
    for _ in range(300):
        text = "".join(chance.choice(PIECES) for _ in range(chance.randrange(1, 30)))
        compare(tmp_path, text, chance.choice(["-hm", "-bm"]))


def test_m_alone_changes_nothing(tmp_path):
    assert compare(tmp_path, "Subject: x\n folded\n", "-m")


# --- tables of expressions, beside PCRE ---------------------------------------------------------------------------------

ATOMS = ["a", "b", "c", ".", r"\d", r"\w", r"\s", "[ab]", "[^a]", "[a-c]", "[[:digit:]]", "x", "1", " ", r"\W", r"\S", r"\D", r"[\w.-]",
         r"\.", "(?i:B)", "(?-i:c)", r"\x61", r"\Qa.b\E", "(?:)", "[[:^alpha:]]", r"\h", r"\101", r"\t", "[]a]", r"\N"]
PLACES = [r"\b", "^", "$", r"\B", r"\A", r"\z", r"\Z"]
REPEATS = ["", "", "", "", "", "*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{0,2}?", "{2,}", "*+", "++", "?+", "{,2}", "{a}", "{2}{2}"]


def expression(chance, depth):
    inner = lambda: expression(chance, depth - 1)
    kind = chance.random() if depth else .4
    if kind < .05:
        return chance.choice(PLACES)
    if kind < .45:
        return chance.choice(ATOMS) + chance.choice(REPEATS)
    for below, form in ((.65, "%s%s"), (.75, "(%s)%s"), (.8, "(?:%s|%s)"), (.84, "(%s|%s)+"), (.87, "(?=%s)%s"), (.9, "(?!%s)%s"), (.92, "(?<=a|bc)%s%s"),
                        (.94, r"(?<!\d|ab)%s%s"), (.96, "(?>%s)%s"), (.98, r"(%s)%s\1")):
        if kind < below:
            return form % (inner(), inner())
    return "(?%s)%s" % (chance.choice(["i", "s", "-i", "x", "U", "m"]), inner())


def test_random_expressions_find_what_pcre_finds(tmp_path):
    """what is refused is refused at the open, with its line; all else means the same, the groups too"""
    chance = random.Random(3)
    subjects = "\n".join("".join(chance.choice("aabbccAB1 x.-_\t") for _ in range(chance.randrange(1, 12))).strip() or "a" for _ in range(30)) + "\n"
    asked = refused = 0
    for _ in range(300):
        text = expression(chance, 3)
        flags = chance.choice(["", "", "", "i", "s", "m", "x", "A", "E", "U", "im", "sx"])
        (tmp_path / "t").write_text("/(%s)/%s [$1]\n!/%s/%s no\n" % (text, flags, text, flags))
        command = ["postmap", "-q", "-", "pcre:%s/t" % tmp_path]
        real = subprocess.run(command, input=subjects, capture_output=True, text=True, timeout=60)
        ours = subprocess.run([RELAYBOX, *command], input=subjects, capture_output=True, text=True, timeout=60)
        if "write this rule in another way" in ours.stderr:
            assert "line 1: " in ours.stderr and not ours.stdout
            refused += 1
            continue
        assert (ours.stdout, "line 1: " in ours.stderr) == (real.stdout, "line 1: " in real.stderr), (text, flags)
        asked += 1
    assert asked > 10 * refused


# --- tables of all types, beside the real ones --------------------------------------------------------------------------

KEYS = ["a", "B", "a@b.c", "user+x@Example.COM", "192.0.2.1", "10.1.2.3", "2001:db8::1", "::1", "foo", "192.0.2.255", "<>", "example.com", "[1.2.3.4]",
        "256.1.1.1", "1.2.3", "a=b", "x/y"]
VALUES = ["ok", "REJECT x y", "a b,c", "{v}", "1", "a@b"]
NETWORKS = ["192.0.2.0/24", "10.0.0.0/8", "0.0.0.0/0", "::/0", "2001:db8::/32", "192.0.2.1", "!192.0.2.0/24", "! 10.0.0.0/8", "[::1]", "::1/128",
            "[2001:db8::]/32", "fe80::/10"]
WRONG_NETWORKS = ["192.0.2.1/24", "300.1.1.1", "10.0.0.0/33", "1.2.3"]
PATTERNS = ["/^a/", "/b/i", "!/b/", "! /c/", "/^(.*)@(.*)$/", "|a|", "/EX.*m/", "/[0-9]+/", "/^$/", "/(a)(b)?/", r"/x\/y/", "/./m", "/(a/", "/a", "a", "/a/q"]
RESULTS = ["ok", "$1", "${1}x", "$(2)", "$$", "$0", "$9", "x$1y", "$1 $2", "${x}"]


def text_table(chance):
    forms = ["%s\t%s\n", "%s   %s   \n", "%s %s\n more\n", "%s %s\n# c\n\tmore\n", "%s\n %s\n", "# c\n\n%s %s\n", "%s\n"]
    return "".join(chance.choice(forms).replace("%s", chance.choice(KEYS), 1).replace("%s", chance.choice(VALUES)) for _ in range(chance.randrange(1, 8)))


def rules(chance, patterns, wrong, results):
    out, depth = "", 0
    for _ in range(chance.randrange(1, 9)):
        kind = chance.random()
        if kind < .2:
            out, depth = out + "if " + chance.choice(patterns) + "\n", depth + 1
        elif kind < .35 and depth:
            out, depth = out + "endif\n", depth - 1
        else:
            out += chance.choice(patterns + wrong) + " " + chance.choice(results) + chance.choice(["", "\n more", "\n# c"]) + "\n"
    return out + depth * "endif\n"


def inline(chance):
    forms = ["%s=%s", "{%s=%s}", "{ %s = %s }"]
    return "inline:{%s}" % ", ".join(chance.choice(forms) % (chance.choice(["a", "B", "foo", "a@b.c"]), chance.choice(["ok", "1", "a=b", "{v}"]))
                                     for _ in range(chance.randrange(1, 5)))


def test_tables_of_all_types_answer_as_postfix(tmp_path):
    chance = random.Random(5)
    found = 0
    for _ in range(150):
        for name, text in (("t", text_table(chance)), ("c", rules(chance, NETWORKS, WRONG_NETWORKS, VALUES)),
                           ("r", rules(chance, PATTERNS[:12], PATTERNS[12:], RESULTS)), ("main.cf", "compatibility_level = 3.6\nmyhostname = h.example\n")):
            (tmp_path / name).write_text(text)
            # Postfix waits with a file that was written just now
            os.utime(tmp_path / name, (1e9, 1e9))
        spec = chance.choice(["texthash:t", "cidr:c", "cidr:c", "regexp:r", "pcre:r", inline(chance), "unionmap:{texthash:t, %s}" % inline(chance),
                              "unionmap:{regexp:r, static:{s t}}", "pipemap:{texthash:t, regexp:r}", "pipemap:{%s, static:x}" % inline(chance),
                              "proxy:texthash:t"])
        command = ["postmap", "-c", str(tmp_path), "-q", "-", spec.replace("proxy:", "")]
        real, ours = (subprocess.run(c, input="\n".join(KEYS) + "\n", capture_output=True, text=True, timeout=60, cwd=tmp_path)
                      for c in (command, [RELAYBOX, *command]))
        assert ours.stdout == real.stdout, (spec, [(tmp_path / name).read_text() for name in "tcr"], real.stderr, ours.stderr)
        found += len(real.stdout.splitlines())
    assert found > 500
