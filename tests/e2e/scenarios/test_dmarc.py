"""Whose DMARC policy holds, and is it enforced? mxcheck beside Mail::DMARC and libopendmarc, at names below real public suffixes, which
they know from the list: .lab is none of theirs. Both follow RFC 7489; where RFC 9989 says otherwise, the row says so."""
import glob
import json
import os

import pytest

from flat import flat
from lab import RELAYBOX, SLOW

NONE = ("", "")  # no policy holds
PERL, C = "Mail::DMARC", "libopendmarc"
# name that is asked, (whose record, enforced or none), what another judge says instead
ROWS = [
    ("own.com", ("own.com", "enforced"), {}),
    ("a.own.com", ("own.com", "enforced"), {}),
    ("a.b.c.own.com", ("own.com", "enforced"), {}),
    ("own.co.uk", ("own.co.uk", "enforced"), {}),
    ("a.own.co.uk", ("own.co.uk", "enforced"), {}),
    ("nothing.com", NONE, {}),
    ("a.nothing.com", NONE, {}),
    # co.uk has a policy of its own: psd=y, RFC 9989 only
    ("other.co.uk", ("co.uk", "none"), {PERL: NONE, C: NONE}),
    # sp= is for the names below
    ("sub.com", ("sub.com", "enforced"), {}),
    ("a.sub.com", ("sub.com", "none"), {}),
    ("a.subs.com", ("subs.com", "enforced"), {}),
    ("subs.com", ("subs.com", "none"), {}),
    # a record between the name and its organisation counts for its own name only
    ("mid.between.com", ("mid.between.com", "enforced"), {}),
    ("a.mid.between.com", ("between.com", "none"), {}),
    # how it is written
    # both want "v=DMARC1" in one piece (RFC 7489 6.4 does not)
    ("blanks.com", ("blanks.com", "enforced"), {PERL: NONE, C: NONE}),
    # tags have small letters (RFC 6376 3.2); both take capitals
    ("capitals.com", NONE, {PERL: ("capitals.com", "enforced"), C: ("capitals.com", "enforced")}),
    ("semicolon.com", ("semicolon.com", "enforced"), {}),
    ("unknown.com", ("unknown.com", "enforced"), {}),
    ("long.com", ("long.com", "enforced"), {}),
    # it reads the first record only (RFC 7489 6.6.3: those that are none are passed over, and two count as none)
    ("beside.com", ("beside.com", "enforced"), {C: NONE}),
    # no policy, or one that asks for nothing
    ("two.com", NONE, {C: ("two.com", "enforced")}),
    ("a.two.com", NONE, {C: ("two.com", "enforced")}),
    ("none.com", ("none.com", "none"), {}),
    ("version.com", NONE, {}),
    # both give up, or one, where RFC 7489 6.6.3 has p=none for the sake of rua
    ("nop-rua.com", ("nop-rua.com", "none"), {C: NONE}),
    ("badp-rua.com", ("badp-rua.com", "none"), {PERL: NONE, C: NONE}),
    ("badp.com", NONE, {}),
    ("badsp-rua.com", ("badsp-rua.com", "none"), {C: NONE}),
    # a bad optional tag counts as its default (RFC 7489 6.3); libopendmarc gives up
    ("badadkim.com", ("badadkim.com", "enforced"), {C: NONE}),
    ("badaspf.com", ("badaspf.com", "enforced"), {C: NONE}),
    ("badfo.com", ("badfo.com", "enforced"), {C: NONE}),
    ("badpct.com", ("badpct.com", "enforced"), {}),
    ("badri.com", ("badri.com", "enforced"), {C: NONE}),
    # RFC 9989 only: the tree says where organisations end, and public suffixes may have a policy
    ("a.deep.own.org", ("deep.own.org", "enforced"), {PERL: ("own.org", "none"), C: ("own.org", "none")}),
    ("shop.public.co.uk", ("public.co.uk", "enforced"), {}),
    ("below.bank", ("bank", "enforced"), {PERL: NONE, C: NONE}),
]
RECORDS = r"""
_dmarc.own.com. TXT "v=DMARC1; p=reject; rua=mailto:d@own.com"
_dmarc.own.co.uk. TXT "v=DMARC1; p=quarantine"
_dmarc.sub.com. TXT "v=DMARC1; p=reject; sp=none"
_dmarc.subs.com. TXT "v=DMARC1; p=none; sp=quarantine"
_dmarc.between.com. TXT "v=DMARC1; p=none"
_dmarc.mid.between.com. TXT "v=DMARC1; p=reject"
_dmarc.blanks.com. TXT "v = DMARC1 ;  p = reject ; rua = mailto:d@blanks.com"
_dmarc.capitals.com. TXT "v=DMARC1; P=Reject"
_dmarc.semicolon.com. TXT "v=DMARC1;p=reject;;"
_dmarc.unknown.com. TXT "v=DMARC1; p=reject; x-own=1"
_dmarc.long.com. TXT "v=DMARC1; p=re" "ject; rua=mailto:d@long.com"
_dmarc.beside.com. TXT "v=spf1 -all"
_dmarc.beside.com. TXT "v=DMARC1; p=reject"
_dmarc.two.com. TXT "v=DMARC1; p=reject"
_dmarc.two.com. TXT "v=DMARC1; p=none"
_dmarc.none.com. TXT "v=DMARC1; p=none"
_dmarc.version.com. TXT "v=DMARC2; p=reject"
_dmarc.nop-rua.com. TXT "v=DMARC1; rua=mailto:d@nop-rua.com"
_dmarc.badp-rua.com. TXT "v=DMARC1; p=sometimes; rua=mailto:d@badp-rua.com"
_dmarc.badp.com. TXT "v=DMARC1; p=sometimes"
_dmarc.badsp-rua.com. TXT "v=DMARC1; p=reject; sp=sometimes; rua=mailto:d@badsp-rua.com"
_dmarc.badadkim.com. TXT "v=DMARC1; p=reject; adkim=x"
_dmarc.badaspf.com. TXT "v=DMARC1; p=reject; aspf=x"
_dmarc.badfo.com. TXT "v=DMARC1; p=reject; fo=2"
_dmarc.badpct.com. TXT "v=DMARC1; p=reject; pct=many"
_dmarc.badri.com. TXT "v=DMARC1; p=reject; ri=soon"
_dmarc.deep.own.org. TXT "v=DMARC1; p=reject; psd=n"
_dmarc.own.org. TXT "v=DMARC1; p=none"
_dmarc.co.uk. TXT "v=DMARC1; p=none; psd=y"
_dmarc.public.co.uk. TXT "v=DMARC1; p=reject"
_dmarc.bank. TXT "v=DMARC1; p=reject; psd=y"
"""
MAIL_DMARC = r"""
use Mail::DMARC::PurePerl;
while (my $name = <STDIN>) {
    chomp $name;
    my $d = Mail::DMARC::PurePerl->new;
    my $p = eval { local $SIG{__WARN__} = sub {}; $d->discover_policy($name) };
    if (!$p) { print "$name - -\n"; next; }
    my $at = $p->domain;
    my $v = lc($at ne $name && defined $p->sp && $p->is_valid_p($p->sp) ? $p->sp : $p->p);
    print "$name $at $v\n";
}
"""
LIBOPENDMARC = r"""
import ctypes, sys
class Lib(ctypes.Structure):
    _fields_ = [("tld_type", ctypes.c_int), ("tld_source_file", ctypes.c_char * 4096), ("nscount", ctypes.c_int), ("rest", ctypes.c_char * 4096)]
d = ctypes.CDLL(sys.argv[1])
d.opendmarc_policy_connect_init.restype = ctypes.c_void_p
d.opendmarc_policy_query_dmarc.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
d.opendmarc_policy_fetch_utilized_domain.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
for f in (d.opendmarc_policy_fetch_p, d.opendmarc_policy_fetch_sp):
    f.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_int)]
lib = Lib(tld_type=1, tld_source_file=b"/usr/share/publicsuffix/public_suffix_list.dat")
assert d.opendmarc_policy_library_init(ctypes.byref(lib)) == 0
for name in sys.stdin.read().split():
    c = d.opendmarc_policy_connect_init(b"198.51.100.1", 4)
    if d.opendmarc_policy_query_dmarc(c, name.encode()):
        print(name, "-", "-")
        continue
    at, p, sp = ctypes.create_string_buffer(256), ctypes.c_int(), ctypes.c_int()
    d.opendmarc_policy_fetch_utilized_domain(c, at, 256)
    d.opendmarc_policy_fetch_p(c, ctypes.byref(p))
    d.opendmarc_policy_fetch_sp(c, ctypes.byref(sp))
    word = {0: "-", ord("n"): "none", ord("q"): "quarantine", ord("r"): "reject"}
    print(name, at.value.decode(), word[sp.value if at.value.decode() != name and sp.value else p.value])
"""


@pytest.fixture(scope="module")
def world(net):
    names = sorted({name for name, *_ in ROWS})
    return flat(net, "mx.lab. A 198.51.100.1\n" + "".join("%s. MX 10 mx.lab.\n" % name for name in names) + RECORDS)


def said(text):
    made = {}
    for name, at, policy in (line.split() for line in text.splitlines()):
        made[name] = NONE if at == "-" or policy == "-" else (at, "none" if policy == "none" else "enforced")
    return made


def ours(client):
    done = client.run(RELAYBOX, "mxcheck", "--json", "-4", "--tls", "none", "-t", str(5 * SLOW), *(name for name, *_ in ROWS), check=False, timeout=120)
    made = {}
    for x in map(json.loads, done.stdout.splitlines()):
        found = [f["text"] for f in x["findings"] if f["check"] == "dmarc"]
        record = [f["text"] for f in x["findings"] if f["check"] == "dmarc" and f["verdict"] == "ok" and not f["text"].startswith("taken from ")]
        at = [text[11:] for text in found if text.startswith("taken from ")] or [x["target"]]
        made[x["target"]] = (at[0], "none" if any(text.startswith("p=none: ") for text in found) else "enforced") if record else NONE
    return made


def test_whose_policy_holds(world):
    got = ours(world)
    assert got == {name: want for name, want, _ in ROWS}


@pytest.mark.parametrize("judge", [PERL, C])
def test_others_find_the_same_policy(world, judge):
    # the first answer of libopendmarc is none, whatever it is asked
    asked = "warm.up\n" + "".join(name + "\n" for name, *_ in ROWS)
    library = glob.glob("/usr/lib/*/libopendmarc.so.2")
    if judge == PERL and not os.path.exists("/usr/share/perl5/Mail/DMARC.pm") or judge == C and not library:
        pytest.skip("%s is not installed" % judge)
    command = ["perl", "-e", MAIL_DMARC] if judge == PERL else ["/usr/bin/python3", "-c", LIBOPENDMARC, library[0]]
    theirs = said(world.run(*command, stdin=asked, timeout=120).stdout.decode())
    odd = {name: (want, theirs.get(name)) for name, want, other in ROWS if theirs.get(name) != other.get(judge, want)}
    assert not odd, "\n".join("%s: %s" % row for row in odd.items())
