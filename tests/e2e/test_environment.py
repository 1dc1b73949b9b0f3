"""A relay that has no file at all, only variables, as containers give them."""
import os
import smtplib

import pytest

from lab import Relay, Sink


class Bare(Relay):
    """Without main.cf."""

    def __init__(self, folder, **env):
        super().__init__(folder, env=dict({"POSTFIX_queue_directory": "%s/queue" % folder, "POSTFIX_maillog_file": "%s/log" % folder,
                                           "POSTFIX_alias_maps": "", "POSTFIX_inet_interfaces": "127.0.0.1", "POSTFIX_smtpd_peername_lookup": "no",
                                           **({"POSTFIX_mail_owner": "root"} if os.getuid() == 0 else {})}, **env))
        os.unlink(self.path("main.cf"))
        os.unlink(self.path("master.cf"))
        self.env["POSTFIX_smtpd_listen"] = "127.0.0.1:%d" % self.port

    def send(self, sender, rcpt="b@other.test"):
        with smtplib.SMTP("127.0.0.1", self.port, timeout=30) as s:
            s.sendmail(sender, [rcpt], "From: %s\r\nSubject: x\r\n\r\nx\r\n" % sender)


def test_senders_that_are_not_allowed_are_refused(tmp_path):
    with Sink() as sink, Bare(tmp_path / "r", RELAYHOST="[127.0.0.1]:%d" % sink.port, ALLOWED_SENDER_DOMAINS="example.com good.example") as r:
        r.send("a@example.com")
        r.send("a@sub.good.example")
        for sender in ("a@example.org", "a@notexample.com"):
            with pytest.raises(smtplib.SMTPException) as refused:
                r.send(sender)
            assert "Sender address rejected" in str(refused.value)
        assert sorted(m.sender for m in sink.wait(2)) == ["a@example.com", "a@sub.good.example"]


def test_hosts_are_masqueraded(tmp_path):
    with Sink() as sink, Bare(tmp_path / "r", RELAYHOST="[127.0.0.1]:%d" % sink.port, MASQUERADED_DOMAINS="example.com") as r:
        r.send("a@host.example.com")
        message, = sink.wait(1)
        assert message.sender == "a@example.com" and b"From: a@example.com" in message.header


def test_tables_in_variables(tmp_path):
    with Sink() as sink, Bare(tmp_path / "r", RELAYHOST="[127.0.0.1]:1", POSTMAP_transport="# mine\nother.test  smtp:[127.0.0.1]:%d\n" % sink.port,
                              POSTFIX_transport_maps="hash:/etc/postfix/transport") as r:
        r.send("a@example.com")
        sink.wait(1)


def test_a_secret_is_read_again_when_its_file_changes(tmp_path):
    """As Kubernetes changes a mounted secret: by a link to another folder. One that is gone for a while changes nothing."""
    mount = tmp_path / "secret"

    def write(folder, password):
        (mount / folder).mkdir(parents=True)
        (mount / folder / "password").write_text(password + "\n")
        (mount / "..new").symlink_to(folder)
        os.rename(mount / "..new", mount / "..data")
    write("..1", "first")
    (mount / "password").symlink_to("..data/password")
    users = {"u": "first"}
    with Sink(users=users) as sink, Bare(tmp_path / "r", RELAYHOST="[127.0.0.1]:%d" % sink.port, RELAYHOST_USERNAME="u",
                                         RELAYHOST_PASSWORD_FILE=str(mount / "password")) as r:
        r.send("a@example.com")
        sink.wait(1)
        users["u"] = "second"
        write("..2", "second")
        r.wait_log("a file that the environment names has changed")
        r.wait_log("reload -- version")
        r.send("a@example.com")
        sink.wait(2)
        os.unlink(mount / "..data")
        r.wait_log("reload refused")
        r.send("a@example.com")
        sink.wait(3)
        assert len(r.log_lines("reload refused")) == 1
