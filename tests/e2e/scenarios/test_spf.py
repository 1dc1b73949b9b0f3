"""What SPF says of mail: mxcheck beside pyspf and Mail::SPF, for odd records and three clients."""
import json

import pytest

from flat import flat
from lab import RELAYBOX, SLOW

CLIENTS = ("192.0.2.1", "203.0.113.9", "2001:db8::1")
# names below t.com; the hosts that they name are in OTHERS
RECORDS = r"""
a1 TXT "v=spf1 ip4:192.0.2.1 -all"
a2 TXT "v=spf1 a:host.t.com/24 -all"
a3 TXT "v=spf1 a:host.t.com//64 -all"
a4 TXT "v=spf1 a:host.t.com/24//64 -all"
a5 TXT "v=spf1 mx:mxd.t.com ~all"
a6 TXT "v=spf1 exists:%{ir}.ex.t.com -all"
a7 TXT "v=spf1 exists:%{l}.ex.t.com -all"
a8 TXT "v=spf1 include:a1.t.com ?all"
a9 TXT "v=spf1 redirect=a1.t.com"
b1 TXT "v=spf1 redirect=none.t.com"
b2 TXT "v=spf1 include:none.t.com -all"
b3 TXT "v=spf1 include:bad.t.com -all"
bad TXT "v=spf1 foo -all"
b4 TXT "v=spf1 ip4:192.0.2.300 -all"
b5 TXT "v=spf1 ip4:192.0.2.0/33 -all"
b6 TXT "v=spf1 ip6:::1/129 -all"
b7 TXT "v=spf1 -all ip4:bad"
b8 TXT "V=SPF1 +ALL"
b9 TXT "v=spf1"
c1 TXT "v=spf10 -all"
c2 TXT "v=spf1 "
c3 TXT "v=spf1 ptr -all"
c4 TXT "v=spf1 exp=x.t.com -all"
c5 TXT "v=spf1 exp=x.t.com exp=y.t.com -all"
c6 TXT "v=spf1 redirect=a1.t.com redirect=a1.t.com"
c7 TXT "v=spf1 foo=bar -all"
c8 TXT "v=spf1 a:%{d} -all"
c9 TXT "v=spf1 a:%{z} -all"
d1 TXT "v=spf1 a:%d -all"
d2 TXT "v=spf1 exists:%%%_%-.t.com -all"
d3 TXT "v=spf1 mx/24 -all"
d3 MX 10 host.t.com.
d4 TXT "v=spf1 mx -all"
d4 MX 0 .
d5 TXT "v=spf1 a -all"
d5 A 192.0.2.1
d6 TXT "v=spf1 a:host.t.com. -all"
d7 TXT "v=spf1 ip4:192.0.2.1 -all" 
d7 TXT "v=spf1 ip4:192.0.2.2 -all"
d8 TXT "v=spf1 ip4:192.0" ".2.1 -all"
d9 TXT "v=spf1  ip4:192.0.2.1   -all"
e1 TXT "v=spf1 +ip4:192.0.2.1 -all"
e2 TXT "v=spf1 all:x -all"
e3 TXT "v=spf1 ip4 -all"
e4 TXT "v=spf1 a/0 -all"
e4 A 203.0.113.1
e5 TXT "v=spf1 a:/24 -all"
e6 TXT "v=spf1 include: -all"
e7 TXT "v=spf1 include -all"
e8 TXT "v=spf1 ip4:192.0.2.1/ -all"
e9 TXT "v=spf1 ip4:192.0.2.1/032 -all"
f1 TXT "v=spf1 ip6:2001:db8::1 -all"
f2 TXT "v=spf1 ip4:192.0.2.1/0 -all"
f3 TXT "v=spf1 exists:void1.t.com exists:void2.t.com exists:void3.t.com -all"
f4 TXT "v=spf1 exists:void1.t.com exists:void2.t.com ip4:192.0.2.1 -all"
f5 TXT "v=spf1 include:f5.t.com -all"
f6 TXT "v=spf1 redirect=f6.t.com"
f7 TXT "v=spf1 a:host.t.com a:host.t.com a:host.t.com a:host.t.com a:host.t.com a:host.t.com a:host.t.com a:host.t.com a:host.t.com a:host.t.com -all"
f8 TXT "v=spf1 a:host2.t.com a:host2.t.com a:host2.t.com a:host2.t.com a:host2.t.com a:host2.t.com a:host2.t.com a:host2.t.com a:host2.t.com a:host2.t.com a:host.t.com -all"
f9 TXT "v=spf1 include:a1.t.com all"
g1 TXT "v=spf1 ?include:a1.t.com -all"
g2 TXT "v=spf1 -include:a1.t.com +all"
g3 TXT "v=spf1 exists:%{d2}.x -all"
g4 TXT "v=spf1 a:host.t.com/33 -all"
g5 TXT "v=spf1 a:host.t.com//129 -all"
g6 TXT "v=spf1 a:host.t.com/24/64 -all"
g7 TXT "v=spf1 -ip4:192.0.2.1 ip4:192.0.2.0/24 -all"
g8 TXT "v=spf1 ip4:192.0.2.1-all"
g9 TXT "v=spf1 exists:%{ir}.%{v}._spf.t.com -all"
h1 TXT "v=spf1 a:host.t.com/024 -all"
h2 TXT "v=spf1 exists:%{i0}.t.com -all"
h3 TXT "v=spf1 exists:%{ir12345678901}.t.com -all"
h4 TXT "v=spf1 exp=%{ -all"
h5 TXT "v=spf1 redirect= -all"
h6 TXT "v=spf1 moo.cow-far_out=man:dog/cat ip4:192.0.2.1 -all"
h7 TXT "v=spf1 1up=x -all"
h8 TXT "v=spf1 exists:nolabel -all"
h9 TXT "v=spf1 a:foo-bar -all"
i1 TXT "v=spf1 a:host.123 -all"
i2 TXT "v=spf1 a:host.t.-com -all"
i3 TXT "v=spf1 ptr:t.com -all"
i4 TXT "v=spf1 include:a1.t.com include:a1.t.com include:a1.t.com include:a1.t.com include:a1.t.com include:a1.t.com include:a1.t.com include:a1.t.com include:a1.t.com include:a1.t.com include:a1.t.com -all"
i5 TXT "v=spf1 mx:many.t.com -all"
i6 TXT "v=spf1 redirect=a1.t.com -all"
i7 TXT "v=spf1 include:d7.t.com -all"
i8 TXT "v=spf1 ip4:192.0.2.1 -ALL"
i9 TXT "v=spf1 IP4:192.0.2.1 -all"
j1 TXT "v=spf1 ip4:::ffff:192.0.2.1 -all"
j2 TXT "v=spf1 ip6:::ffff:192.0.2.1 -all"
j3 TXT "v=spf1 ip4: 192.0.2.1 -all"
j4 TXT "v=spf1 ip4=192.0.2.1 -all"
j5 TXT "v=spf1 a=host.t.com -all"
j6 TXT "spf2.0/pra -all"
j7 TXT "v=spf1 ++all"
j8 TXT "v=spf1, -all"
j9 TXT "v=spf1;-all"
"""
OTHERS = """host.t.com. A 192.0.2.1
host.t.com. AAAA 2001:db8::1
host2.t.com. A 192.0.2.2
mxd.t.com. MX 10 host.t.com.
1.2.0.192.ex.t.com. A 127.0.0.2
1.2.0.192.in-addr.arpa. PTR host.t.com.
postmaster.ex.t.com. A 127.0.0.2
1.2.0.192.in-addr._spf.t.com. A 127.0.0.2
x.t.com. TXT "why"
""" + "".join("many.t.com. MX %d h%d.many.t.com.\nh%d.many.t.com. A 192.0.2.%d\n" % (i, i, i, i + 100) for i in range(11))
# where a judge says something else, against: an empty name behind a: (RFC 7208 4.6.1), no parts of a name (7.3), digits behind r (7.1), the
# limit of MX hosts (4.6.4); an address of IPv4 in IPv6's form, of which 5.6 is silent
DIFFERS = {("Mail::SPF", "e5"), ("pyspf", "h2"), ("pyspf", "h3"), ("Mail::SPF", "i5"), ("pyspf", "j2")}
PYSPF = """
import sys, spf
for line in sys.stdin:
    client, sender, domain = line.split()
    print(domain, spf.check2(i=client, s=sender, h="client.lab", timeout=10, querytime=20)[0])
"""
MAIL_SPF = """
use Mail::SPF;
my $server = Mail::SPF::Server->new();
while (<STDIN>) {
    my ($client, $sender, $domain) = split;
    my $request = Mail::SPF::Request->new(scope => 'mfrom', identity => $sender, ip_address => $client, helo_identity => 'client.lab');
    print "$domain ", $server->process($request)->code, "\\n";
}
"""
JUDGES = {"pyspf": ["/usr/bin/python3", "-W", "ignore", "-c", PYSPF], "Mail::SPF": ["perl", "-e", MAIL_SPF]}


@pytest.fixture(scope="module")
def world(net):
    return flat(net, "".join("%s.t.com. %s\n" % tuple(line.split(None, 1)) for line in RECORDS.strip().splitlines()) + OTHERS)


@pytest.mark.parametrize("client", CLIENTS)
def test_all_say_the_same(world, client):
    names = sorted({line.split()[0] for line in RECORDS.strip().splitlines()})
    assert len(names) > 90
    done = world.run(RELAYBOX, "mxcheck", "--json", "-4", "--tls", "none", "-t", str(5 * SLOW), "--ip", client, "--helo", "client.lab",
                     *(name + ".t.com" for name in names), check=False, timeout=100)
    ours = {x["target"].split(".")[0]: [f["text"].split()[1].strip(",") for f in x["findings"] if f["check"] == "spf" and f["text"].startswith(client + ": ")] or ["none"]
            for x in map(json.loads, done.stdout.decode().splitlines())}
    asked = "".join("%s postmaster@%s.t.com %s\n" % (client, name, name) for name in names)
    for judge, command in JUDGES.items():
        theirs = dict(line.split() for line in world.run(*command, stdin=asked, timeout=200).stdout.decode().splitlines())
        odd = {name: (ours[name], theirs[name]) for name in names if ours[name] != [theirs[name]] and (judge, name) not in DIFFERS}
        assert not odd, (judge, odd)
