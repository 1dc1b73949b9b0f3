"""Options that no other test has an occasion to use."""
import re

import pytest
from lab import RELAYBOX, Relay, Sink, wait


@pytest.fixture
def lab(tmp_path):
    """A relay whose relayhost is a sink, and whose configuration has something to warn of."""
    with Sink() as sink, Relay(tmp_path, "mydestination =\nrelayhost = [127.0.0.1]:%d\nno_such_parameter = 1\n" % sink.port) as relay:
        relay.sink = sink
        yield relay


def test_verbose_shows_the_configurations_warnings(lab):
    for args in (["postqueue", "-p"], ["postsuper", "-d", "ALL"], ["relayctl", "queue"]):
        assert b"no_such_parameter" not in lab.run(*args).stderr
    assert b"no_such_parameter" in lab.run("postqueue", "-v", "-p").stderr
    assert b"no_such_parameter" in lab.run("postsuper", "-v", "-d", "ALL").stderr
    assert b"no_such_parameter" in lab.run("relayctl", "-v", "queue").stderr


def test_help_of_names_with_options_of_their_own(lab):
    for args in (["postqueue", "-h"], ["postqueue", "--help"], ["postsuper", "--help"]):
        text = lab.run(*args).stdout.decode()
        assert text.startswith(args[0] + " - ") and "usage: " + args[0] in text


def test_postsuper_repairs_nothing(lab):
    assert lab.run("postsuper", "-p", "-s", "-S").stderr == b""


def test_mail_sets_the_type_of_the_text_and_says_how_it_went(lab):
    said = lab.run("mail", "-v", "-M", "text/html", "-s", "x", "-r", "a@example.com", "b@example.org", stdin="<p>hello</p>\n")
    message, = lab.sink.wait(1)
    assert re.search(rb"^Content-Type: text/html", message.header, re.M)
    assert said.stderr or said.stdout


@pytest.mark.parametrize("args", [["sendmail", "-I"], ["mapgen", "--alias", "aliases"]])
def test_alias_tables_are_built(tmp_path, args):
    relay = Relay(tmp_path, "alias_database = hash:%s/aliases\n" % tmp_path, files={"aliases": "postmaster: root\n"})
    args = [relay.path(a) if a == "aliases" else a for a in args]
    relay.run(*args)
    assert relay.run("mapgen", "-q", "postmaster", "hash:" + relay.path("aliases")).stdout.strip() == b"root"
