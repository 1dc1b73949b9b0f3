"""mail -S: a server for one message in s-nail's words. What TLS is demanded is had, or nothing is sent; no password is shown."""
import pytest

from lab import Sink, certificate
from test_applets import box  # noqa: F401

SECRET = "s3cret"


@pytest.fixture(scope="module")
def cert(tmp_path_factory):
    return certificate(str(tmp_path_factory.mktemp("cert")), "127.0.0.1")


@pytest.fixture
def bare(box):
    """A host without a main.cf."""
    (box.etc / "main.cf").unlink()
    return box


def mail(box, *args, code=0, env=None):
    r = box.run("mail", "-s", "x", "-r", "me@x.org", *args, "b@x.org", input="text\n", code=code, env=env)
    assert SECRET.encode() not in r.stdout + r.stderr
    return r.stderr.decode()


@pytest.mark.parametrize("scheme", ["smtps", "submissions"])
def test_tls_from_the_first_byte_on_any_port(bare, cert, scheme):
    with Sink(tls=cert, implicit=True) as sink:
        mail(bare, "-S", "mta=%s://127.0.0.1:%d" % (scheme, sink.port))
        assert len(sink.messages) == 1 and sink.secured
    with Sink() as clear:
        mail(bare, "-S", "mta=%s://127.0.0.1:%d" % (scheme, clear.port), code=75)
        assert not clear.messages


@pytest.mark.parametrize("policy", ["", "smtp_tls_security_level = none\n", "smtp_tls_policy_maps = static:none\n"])
def test_starttls_that_is_demanded(box, cert, policy):
    with open(box.etc / "main.cf", "a") as f:
        f.write(policy)
    with Sink(tls=cert) as sink:
        mail(box, "-S", "smtp-use-starttls", "-S", "smtp=127.0.0.1:%d" % sink.port)
        assert len(sink.messages) == 1 and sink.secured
    with Sink(users={"u": SECRET}) as clear:
        mail(box, "-S", "smtp-use-starttls", "-S", "smtp=127.0.0.1:%d" % clear.port, "-S", "smtp-auth=login", "-S", "smtp-auth-user=u",
             "-S", "smtp-auth-password=" + SECRET, code=75)
        assert not clear.messages


def test_the_form_of_the_tutorials(bare, cert):
    with Sink(tls=cert, users={"u": SECRET}) as sink:
        mail(bare, "-S", "smtp-use-starttls", "-S", "smtp=127.0.0.1:%d" % sink.port, "-S", "smtp-auth=login", "-S", "smtp-auth-user=u",
             "-S", "smtp-auth-password=" + SECRET)
        assert len(sink.messages) == 1 and sink.secured


def test_a_login_in_the_url_is_decoded(bare, cert):
    with Sink(tls=cert, users={"user@x": SECRET + ":/%"}) as sink:
        mail(bare, "-S", "smtp-use-starttls", "-S", "mta=smtp://user%%40x:%s%%3a%%2F%%25@127.0.0.1:%d" % (SECRET, sink.port))
        assert len(sink.messages) == 1
        said = mail(bare, "-S", "smtp-use-starttls", "-S", "mta=smtp://user%%40x:%swrong@127.0.0.1:%d" % (SECRET, sink.port), code=75)
        assert "535" in said and len(sink.messages) == 1


@pytest.mark.parametrize("url", ["smtp://u:%s@", "smtp://u:%s@[::1", "smtp://u:%s@h:", "smtp://u:%s@h:1/x", "smtp://u%%zz:%s@h", "imap://u:%s@h",
                                 "smtp://:%s@h", "u:%s@h h", "smtp://u%%00:%s@h"])
def test_a_url_that_is_none_is_refused_without_its_password(bare, url):
    assert "not a server" in mail(bare, "-S", "mta=" + url % SECRET, code=78)


def test_a_login_wants_both_halves(bare):
    assert "smtp-auth-password" in mail(bare, "-S", "mta=smtp://u@127.0.0.1:1", code=78)
    assert "smtp-auth-user" in mail(bare, "-S", "mta=smtp://127.0.0.1:1", "-S", "smtp-auth=login", code=78)


def test_the_relayhosts_login_is_not_for_another_server(bare, cert):
    with Sink(tls=cert, users={"u": SECRET}) as sink:
        mail(bare, "-S", "mta=smtps://127.0.0.1:%d" % sink.port, code=None, env={"RELAYHOST": "[127.0.0.1]:%d" % sink.port,
             "RELAYHOST_USERNAME": "u", "RELAYHOST_PASSWORD": SECRET})
        mail(bare, "-S", "smtp-use-starttls", "-S", "mta=smtp://127.0.0.1:%d" % sink.port, code=None, env={"RELAYHOST": "[127.0.0.1]:%d" % sink.port,
             "RELAYHOST_USERNAME": "u", "RELAYHOST_PASSWORD": SECRET})
        assert not sink.messages


def test_a_certificate_is_verified_where_asked_for(bare, cert):
    with Sink(tls=cert, implicit=True) as sink:
        where = ("-S", "mta=smtps://127.0.0.1:%d" % sink.port)
        mail(bare, *where, "-S", "tls-verify=strict", "-S", "tls-ca-file=/dev/null", code=75)
        assert not sink.messages
        mail(bare, *where, "-S", "tls-verify=ignore")
        assert len(sink.messages) == 1
