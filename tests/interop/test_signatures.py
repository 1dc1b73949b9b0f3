"""Others' opinion of our signatures: Mail::DKIM and OpenDKIM over a thousand awkward messages, with 8-bit and without."""
import smtplib
import subprocess
from collections import Counter

import pytest

from lab import Relay, Sink
from net import lent
from test_corpus import fields, name
from test_dkim import DOMAIN, EXTENSIONS, awkward, make_keys, with_from

COUNT = 1000
ONCE = (b"from", b"sender", b"reply-to", b"to", b"cc", b"message-id", b"references", b"subject", b"date")
PERL = r"""
use strict; use warnings;
use Mail::DKIM::Verifier; use Mail::DKIM::PublicKey;
my $record = shift @ARGV;
{ no warnings 'redefine'; *Mail::DKIM::PublicKey::fetch_async = sub {
	my ($class, %how) = @_;
	my $key = $class->parse($record);
	@$key{qw(Selector Domain)} = @how{qw(Selector Domain)};
	return sub { return $how{Callbacks}{Success}->($key) };
}; }
for my $file (@ARGV) {
	my $verifier = Mail::DKIM::Verifier->new;
	open my $f, '<:raw', $file or die $file;
	local $/;
	$verifier->PRINT(<$f>);
	$verifier->CLOSE;
	my ($ours) = grep { $_->domain eq 'example.com' } $verifier->signatures;
	my $said = $ours ? $ours->result_detail : 'none';
	$said =~ s/\s+/ /g;
	print "$file $said\n";
}
"""


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """The record of the key, and the files of what each next host got."""
    folder = tmp_path_factory.mktemp("signed")
    record = make_keys(str(folder / "keys"), DOMAIN, "mail").decode()
    sinks = {k: Sink(extensions=EXTENSIONS[k]) for k in ("eight", "seven")}
    routes = ", ".join("{%s.test = smtp:[127.0.0.1]:%d}" % (k, s.port) for k, s in sinks.items())
    files = []
    with Relay(folder / "r", "transport_maps = inline:{%s}\nappend_at_myorigin = no\nsmtputf8_enable = yes\ndkim_key_directory = %s\n"
               % (routes, folder / "keys")) as relay:
        with smtplib.SMTP("127.0.0.1", relay.port) as c:
            c.ehlo()
            for i, (label, text) in enumerate(awkward(COUNT)):
                c.mail("b@example.org", ["BODY=8BITMIME", "SMTPUTF8"])
                c.rcpt("%s@%s.test" % (label, ("eight", "seven")[i % 2]))
                assert c.data(with_from(text, b"Some  One <someone@example.com>"))[0] == 250, label
        for k, sink in sinks.items():
            for m in sink.wait(COUNT // 2, 90):
                files.append(folder / ("%s-%s" % (k, m.rcpts[0].split("@")[0])))
                files[-1].write_bytes(m.content)
    for sink in sinks.values():
        sink.close()
    assert len(set(files)) == COUNT
    return folder, record, sorted(files)


def test_mail_dkim_finds_all_valid(signed):
    folder, record, files = signed
    (folder / "verify.pl").write_text(PERL)
    # it looks at all: one byte more is seen
    (folder / "more").write_bytes(files[0].read_bytes() + b"x\r\n")
    files = files + [folder / "more"]
    out = subprocess.run(["perl", str(folder / "verify.pl"), record, *map(str, files)], capture_output=True, text=True, check=True).stdout
    results = dict(line.split(" ", 1) for line in out.splitlines())
    assert len(results) == len(files)
    assert results.pop(str(folder / "more")).startswith("fail")
    assert {f: r for f, r in results.items() if not r.startswith("pass")} == {}


def test_opendkim_finds_all_valid(signed, tmp_path):
    folder, record, files = signed
    strings = " ".join('"%s"' % record[at:at + 250] for at in range(0, len(record), 250))
    # a field of a stranger's that is no signature is an error of syntax to it, and so is a second field of a kind that should be once; ours
    # says nothing of the first
    once = [f for f in files if max(Counter(name(x) for x in fields(f.read_bytes())[0] if name(x) in ONCE).values()) == 1]
    assert len(once) > COUNT // 2
    for f in once:
        (tmp_path / f.name).write_bytes(f.read_bytes().replace(b"\r\nDKIM-Signature: v=1; d=other.test; b=xx\r\n", b"\r\n"))
    with lent(tmp_path / "net") as net:
        net.dns("mail._domainkey.example.com. TXT ( %s )" % strings)
        host = net.host("judge", "172.16.1.11")
        # it says nothing of what is valid; a process for each is slow, so every fifth has to do
        said = host.sh("for f in %s/*-canonical-*[05]; do opendkim-testmsg < $f > /tmp/said 2>&1 || echo \"$f $(cat /tmp/said)\"; done" % tmp_path, timeout=180)
        assert said.strip() == ""
        # and it looks at all: one byte more is seen
        (folder / "changed").write_bytes(files[0].read_bytes() + b"x\r\n")
        assert host.run("opendkim-testmsg", stdin=(folder / "changed").read_bytes(), check=False).returncode != 0
