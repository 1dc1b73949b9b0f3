"""What becomes of addresses in envelope and header, as in the Postfix that rewriting.json was made with."""
import json
import os
import smtplib

import pytest

import rewriting
from lab import LOGIN, Relay, Sink

WORLDS = rewriting.from_rows(rewriting.ROWS)
with open(rewriting.GOLDEN, encoding="utf-8") as f:
    POSTFIX = json.load(f)["worlds"]


@pytest.mark.parametrize("world", WORLDS, ids=[w["name"] for w in WORLDS])
def test_addresses_become_what_postfix_makes_of_them(world, tmp_path):
    got, want = rewriting.run_relaybox(world, tmp_path), POSTFIX[world["name"]]
    assert got and set(got) == set(want)
    for name, one in want.items():
        assert got[name] == one, name


def test_one_sender_for_all_mail(tmp_path):
    """OVERWRITE_FROM, for a container without a main.cf: the envelope's sender and the From field; the rest stays."""
    with Sink() as sink:
        settings = {"myhostname": "relay.example.test", "queue_directory": tmp_path / "queue", "maillog_file": tmp_path / "log",
                    "inet_interfaces": "127.0.0.1", "alias_maps": "", "smtpd_peername_lookup": "no", **({"mail_owner": LOGIN} if LOGIN else {})}
        relay = Relay(tmp_path, env={"OVERWRITE_FROM": '"Doe, Joe" <joe@company.test>', "RELAYHOST": "[127.0.0.1]:%d" % sink.port,
                                     **{"POSTFIX_" + name: str(value) for name, value in settings.items()}})
        os.unlink(relay.path("main.cf"))
        with relay, smtplib.SMTP("127.0.0.1", relay.port) as client:
            client.sendmail("a@b.test", ["x@y.test"], "From: A <a@b.test>\r\nReply-To: r@b.test\r\nSubject: s\r\n\r\nx\r\n")
            m = sink.wait(1)[0]
    assert (m.sender, m.rcpts) == ("joe@company.test", ["x@y.test"])
    assert rewriting.fields(m.header) == ['From: "Doe, Joe" <joe@company.test>', "Reply-To: r@b.test", "Subject: s"]
