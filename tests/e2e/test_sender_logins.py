"""smtp_sender_dependent_authentication: the login of one sender that is refused stops the mail of that login, and of nobody else."""
import smtplib
import urllib.request

from lab import Relay, Sink, free_port, wait

USERS = {"ann": "right", "bob": "other"}
TABLE = "ann@a.test ann:right\nbob@b.test bob:wrong\n@c.test bob:wrong\n[127.0.0.1]:%d ann:right\n"


def send(relay, sender, n=1):
    with smtplib.SMTP("127.0.0.1", relay.port) as client:
        for _ in range(n):
            client.sendmail(sender, ["x@far.test"], "Subject: s\r\n\r\nx\r\n")


def test_one_senders_wrong_password_throttles_its_own_mail_only(tmp_path):
    logins, page = [], free_port()
    with Sink(users=USERS, script={"AUTH": lambda sink, argument: logins.append(argument)}) as sink, \
         Relay(tmp_path, "mydestination =\nrelayhost = [127.0.0.1]:%d\nsmtp_sasl_auth_enable = yes\nsmtp_sasl_security_options = noanonymous\n"
               "smtp_sender_dependent_authentication = yes\nsmtp_sasl_password_maps = texthash:%s/sasl\nhttp_listen = 127.0.0.1:%d\n"
               % (sink.port, tmp_path, page), files={"sasl": TABLE % sink.port}) as relay:
        send(relay, "bob@b.test")
        relay.wait_log("status=deferred.*SASL authentication failed")
        # its login is not tried again for each further mail, nor for another sender who has it …
        send(relay, "bob@b.test", 3)
        send(relay, "eve@c.test")
        wait(lambda: relay.log().count("status=deferred (delivery temporarily suspended") == 4)
        assert len(logins) == 1
        # … and the mail of others goes at once, to the same next hop
        send(relay, "ann@a.test", 2)
        send(relay, "nobody@d.test")
        assert {m.sender for m in sink.wait(3)} == {"ann@a.test", "nobody@d.test"}
        assert relay.log().count("delivery temporarily suspended") == 4
        # two destinations, told apart without a name
        stats = relay.run("relayctl", "stats").stdout.decode()
        assert "[127.0.0.1]:%d (login " % sink.port in stats and "bob" not in stats.split("last errors")[0]
        metrics = [line.rsplit(" ", 1)[0] for line in urllib.request.urlopen("http://127.0.0.1:%d/metrics" % page).read().decode().splitlines()
                   if line[:1] != "#"]
        assert len(metrics) == len(set(metrics))
        # once the password is right, all goes
        (tmp_path / "sasl").write_text((TABLE % sink.port).replace("wrong", "other"))
        relay.run("relayctl", "reload")
        relay.run("relayctl", "flush")
        sink.wait(8)
