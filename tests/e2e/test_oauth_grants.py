"""Tokens that relaybox has made for itself: the three grants, renewal, rotation, refusals, endpoints that are slow, broken or false."""
import base64
import http.server
import json
import os
import ssl
import subprocess
import threading
import time
import urllib.parse

import pytest

from lab import Authority, Relay, certificate, free_port, wait
from test_oauth import MAIN, SHAPES, USER, Provider, send


class Endpoint:
    """A token endpoint: `answer` is (status, object or bytes) or a function of the form; forms are kept."""

    def __init__(self, folder, answer, authority=None):
        self.forms, self.answer, self.paths, self.date = [], answer, [], None
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode(), strict_parsing=True))
                endpoint.forms.append(form)
                endpoint.paths.append(self.path)
                status, body = endpoint.answer(form) if callable(endpoint.answer) else endpoint.answer
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def date_time_string(self, timestamp=None):
                return super().date_time_string(endpoint.date)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        os.makedirs(folder, exist_ok=True)
        cert, key = authority.issue("localhost") if authority else certificate(str(folder))
        self.ca = os.path.join(authority.dir, "ca.pem") if authority else cert
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.server = Server(("127.0.0.1", 0), Handler, bind_and_activate=True)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        # a client that is gone before it is accepted may leave accept waiting, and shutdown with it
        self.server.socket.settimeout(5)
        self.port = self.server.server_address[1]
        self.url = "https://localhost:%d/oauth2/v2.0/token" % self.port
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def relay(tmp_path, provider, endpoint, credential, main_cf="", env=None, url=None):
    folder = tmp_path / "r"
    r = Relay(folder, MAIN.format(port=provider.port, dir=folder, mechanism="xoauth2") + "oauth_tls_CAfile = %s\n%s" % (endpoint.ca, main_cf),
              env=dict({"https_proxy": "", "HTTPS_PROXY": ""}, **(env or {})))
    r.write("token.json", json.dumps(dict({"token_endpoint": url or endpoint.url}, **credential)))
    r.write("sasl_passwd", "[127.0.0.1]:%d %s:%s/token.json\n" % (provider.port, USER, folder))
    return r


REFRESH = {"client_id": "an id", "client_secret": "s&cret=+", "refresh_token": "1//first", "user": USER, "nested": {"a": [1, -2.5e3, None]}}


def good(token="ya29.new", **more):
    return 200, dict({"access_token": token, "token_type": "Bearer", "expires_in": 3600}, **more)


def test_refresh_token_is_spent_once_for_many_mails_and_what_replaces_it_is_kept(tmp_path):
    with Endpoint(tmp_path / "e", good(refresh_token="1//second")) as endpoint, Provider("ya29.new") as provider:
        with relay(tmp_path, provider, endpoint, REFRESH) as r:
            for _ in range(3):
                send(r)
            provider.wait(3)
            assert endpoint.forms == [{"grant_type": "refresh_token", "client_id": "an id", "client_secret": "s&cret=+", "refresh_token": "1//first"}]
            assert endpoint.paths == ["/oauth2/v2.0/token"]
            assert r.log_lines("new access token for .*token.json, good for 3600 s")
            wait(r.empty)
            r.kill()
            # as after a crash: the token lives on, and so does what it was rotated to
            r.start()
            send(r)
            provider.wait(4)
            assert len(endpoint.forms) == 1

            def log_in_anew(token):
                # a session that is open already asks for no login
                provider.token = endpoint.answer[1]["access_token"] = token
                before = len(endpoint.forms)

                # … so there is none
                r.stop()
                r.start()
                send(r)
                wait(lambda: len(endpoint.forms) > before and r.empty(), seconds=30)
                return endpoint.forms[-1]["refresh_token"]
            assert log_in_anew("ya29.third") == "1//second"
            # a new file from the administrator counts for more
            r.write("token.json", json.dumps(dict(REFRESH, token_endpoint=endpoint.url, refresh_token="1//login")))
            assert log_in_anew("ya29.fourth") == "1//login"
            for secret in ("ya29", "1//", "s&cret"):
                assert secret not in r.log()
            assert [os.stat(os.path.join(r.dir, "queue/oauth", n)).st_mode & 0o777 for n in os.listdir(r.path("queue", "oauth"))] == [0o600]


def test_answer_to_a_credential_that_was_replaced_meanwhile_is_not_used(tmp_path):
    go_on = threading.Event()

    def answer(form):
        if form["refresh_token"] == "1//first":
            go_on.wait(60)
            return good("ya29.old", refresh_token="1//old")
        return good()
    with Endpoint(tmp_path / "e", answer) as endpoint, Provider("ya29.new") as provider, relay(tmp_path, provider, endpoint, REFRESH) as r:
        try:
            send(r)
            wait(lambda: endpoint.forms)
            r.write("token.json", json.dumps(dict(REFRESH, token_endpoint=endpoint.url, refresh_token="1//login")))
            send(r)
            # both get the new one's token while the old answer is still out
            provider.wait(2)
        finally:
            go_on.set()
        assert [form["refresh_token"] for form in endpoint.forms] == ["1//first", "1//login"]
        assert "ya29.old" not in str(provider.said)


def test_endpoint_of_a_login_behind_another_delimiter_is_reached(tmp_path):
    with Endpoint(tmp_path / "e", good()) as endpoint, Provider("ya29.new") as provider, \
            relay(tmp_path, provider, endpoint, REFRESH, "smtp_sasl_password_result_delimiter = |\n") as r:
        r.write("sasl_passwd", "[127.0.0.1]:%d %s|%s/token.json\n" % (provider.port, USER, r.dir))
        r.stop()
        r.start()
        send(r)
        provider.wait(1)


def test_client_credentials_with_a_scope(tmp_path):
    credential = {"client_id": "app", "client_secret": "x", "scope": "https://outlook.office365.com/.default"}
    with Endpoint(tmp_path / "e", good()) as endpoint, Provider("ya29.new") as provider, relay(tmp_path, provider, endpoint, credential) as r:
        send(r)
        provider.wait(1)
        assert endpoint.forms == [dict(credential, grant_type="client_credentials")]


def test_service_account_signs_its_request(tmp_path):
    key = tmp_path / "key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key], check=True, capture_output=True)
    credential = {"type": "service_account", "client_email": "robot@project.example", "private_key": key.read_text(), "scope": "https://mail.example/",
                  "subject": USER}
    with Endpoint(tmp_path / "e", good()) as endpoint, Provider("ya29.new") as provider, relay(tmp_path, provider, endpoint, credential) as r:
        r.write("token.json", json.dumps(dict(credential, token_uri=endpoint.url)))
        send(r)
        provider.wait(1)
    form, = endpoint.forms
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    head, claims, signature = form["assertion"].split(".")

    def decode(s):
        return base64.urlsafe_b64decode(s + "=" * (-len(s) % 4))
    assert json.loads(decode(head)) == {"alg": "RS256", "typ": "JWT"}
    claims = json.loads(decode(claims))
    assert claims.pop("exp") - claims["iat"] == 600 and abs(claims.pop("iat") - time.time()) < 60
    assert claims == {"iss": "robot@project.example", "sub": USER, "scope": "https://mail.example/", "aud": endpoint.url}
    (tmp_path / "signature").write_bytes(decode(signature))
    (tmp_path / "text").write_text(form["assertion"].rsplit(".", 1)[0])
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", tmp_path / "pub.pem"], check=True)
    subprocess.run(["openssl", "dgst", "-sha256", "-verify", tmp_path / "pub.pem", "-signature", tmp_path / "signature", tmp_path / "text"],
                   check=True, capture_output=True)


def test_token_of_the_file_is_used_until_its_end(tmp_path):
    with Endpoint(tmp_path / "e", good("later")) as endpoint, Provider("had before") as provider:
        provider.token = "had-before"
        with relay(tmp_path, provider, endpoint, dict(REFRESH, access_token="had-before", expiry=str(int(time.time()) + 3600))) as r:
            send(r)
            provider.wait(1)
            assert not endpoint.forms
    with Endpoint(tmp_path / "e", good("later")) as endpoint, Provider("later") as provider:
        with relay(tmp_path / "2", provider, endpoint, dict(REFRESH, access_token="ended", expiry=int(time.time()) - 5)) as r:
            send(r)
            provider.wait(1)
            assert len(endpoint.forms) == 1


def test_token_that_is_about_to_end_is_renewed_while_it_is_used(tmp_path):
    with Endpoint(tmp_path / "e", good("second")) as endpoint, Provider("first") as provider:
        with relay(tmp_path, provider, endpoint, dict(REFRESH, access_token="first", expiry=int(time.time()) + 120)) as r:
            send(r)
            provider.wait(1)
            wait(lambda: r.log_lines("new access token"))
            provider.token = "second"
            send(r)
            provider.wait(2)
            assert len(endpoint.forms) == 1


def test_token_of_a_short_life_is_used_for_most_of_it(tmp_path):
    with Endpoint(tmp_path / "e", good("short", expires_in=200)) as endpoint, Provider("short") as provider:
        with relay(tmp_path, provider, endpoint, REFRESH) as r:
            for n in range(1, 4):
                send(r)
                provider.wait(n)
            assert len(endpoint.forms) == 1
    with Endpoint(tmp_path / "e2", good("shorter", expires_in=2)) as endpoint, Provider("shorter") as provider:
        with relay(tmp_path / "2", provider, endpoint, REFRESH) as r:
            for n in range(1, 3):
                send(r)
                provider.wait(n)
                time.sleep(2)
            assert len(endpoint.forms) == 2


def test_refused_token_is_had_anew_and_a_new_one_that_is_refused_is_told(tmp_path):
    with Endpoint(tmp_path / "e", good("revoked")) as endpoint, Provider("revoked") as provider:
        with relay(tmp_path, provider, endpoint, REFRESH) as r:
            provider.token = "other"
            send(r)
            r.wait_log(r"to a new access token: is this the user it was made for, and may it send mail\?\)", seconds=30)
            assert "status=bounced" not in r.log() and not r.empty()
    with Endpoint(tmp_path / "e", good("fresh")) as endpoint, Provider("fresh") as provider:
        with relay(tmp_path / "2", provider, endpoint, dict(REFRESH, access_token="revoked", expiry=str(int(time.time()) + 3000))) as r:
            send(r)
            provider.wait(1, seconds=30)
            assert r.log_lines("to an access token that was had before: a new one is had for the next try")
            assert len(endpoint.forms) == 1


@pytest.mark.parametrize("answer, said", [
    ((400, {"error": "invalid_grant", "error_description": "AADSTS70008: expired\r\nx" + "y" * 2000}),
     r"the token endpoint says 400 invalid_grant: AADSTS70008: expired\?\?x"),
    ((401, {"error": "invalid_client"}), r"the token endpoint says 401 invalid_client \(client_id or client_secret is wrong, or the secret has ended\)$"),
    ((400, b"<html>"), "the token endpoint answers 400 without a token"),
    ((200, b"{\"access_token\": "), "the token endpoint answers 200 without a token"),
    ((200, {"access_token": "has blanks", "expires_in": 1}), "the token endpoint answers 200 without a token"),
    ((200, {"access_token": ["x"]}), "the token endpoint answers 200 without a token"),
    ((503, b""), "the token endpoint answers 503 without a token"),
    ((302, b""), "the token endpoint answers 302 without a token"),
    ((200, b"{" + b"[" * 100000), "the token endpoint: "),
], ids=["invalid_grant", "invalid_client", "html", "cut", "no token", "list", "503", "redirect", "huge"])
def test_mail_waits_when_the_endpoint_says_no(tmp_path, answer, said):
    with Endpoint(tmp_path / "e", answer) as endpoint, Provider("ya29.new") as provider, relay(tmp_path, provider, endpoint, REFRESH) as r:
        send(r)
        r.wait_log("no access token for .*token.json: " + said)
        r.wait_log("status=deferred")
        assert "status=bounced" not in r.log() and not r.empty() and not provider.said
        # not asked again with each try
        assert len(endpoint.forms) == 1
        for secret in ("1//first", "s&cret"):
            assert secret not in r.log()


def test_endpoint_must_be_who_it_says(tmp_path):
    stranger = Authority(tmp_path / "other")
    with Endpoint(tmp_path / "e", good()) as endpoint, Provider("ya29.new") as provider:
        with relay(tmp_path, provider, endpoint, REFRESH, main_cf="oauth_tls_CAfile = %s/ca.pem\n" % stranger.dir) as r:
            send(r)
            r.wait_log("no access token for .*: the token endpoint: ")
            assert not endpoint.forms
    with Endpoint(tmp_path / "e2", good(), Authority(tmp_path / "ca")) as endpoint, Provider("ya29.new") as provider:
        # the right authority, another name
        with relay(tmp_path / "2", provider, endpoint, REFRESH, url="https://127.0.0.1:%d/" % endpoint.port) as r:
            send(r)
            r.wait_log("no access token for .*: the token endpoint: ")
            assert not endpoint.forms


def test_endpoint_that_comes_back(tmp_path):
    with Endpoint(tmp_path / "e", (500, b"")) as endpoint, Provider("ya29.new") as provider, relay(tmp_path, provider, endpoint, REFRESH) as r:
        send(r)
        r.wait_log("no access token")
        endpoint.answer = good()
        provider.wait(1, seconds=60)


@pytest.mark.parametrize("credential, said", [
    ({"client_id": "x"}, "neither refresh_token nor client_secret"),
    ({"refresh_token": "x"}, "no client_id"),
    ({"client_id": "x", "refresh_token": "y", "token_endpoint": "http://localhost/"}, "token_endpoint is not an https:// address"),
    ({"private_key": "x"}, "private_key without client_email"),
    ({"private_key": "x", "client_email": "y"}, "the private key is no RSA key in PEM form"),
])
def test_credential_that_cannot_work_is_told(tmp_path, credential, said):
    with Endpoint(tmp_path / "e", good()) as endpoint, Provider("ya29.new") as provider, relay(tmp_path, provider, endpoint, credential) as r:
        send(r)
        r.wait_log("status=deferred .*" + said)
        assert not endpoint.forms and not r.empty()


def test_through_a_proxy(tmp_path):
    asked = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self):
            import socket
            asked.append((self.path, self.headers["Proxy-Authorization"]))
            host, _, port = self.path.rpartition(":")
            there = socket.create_connection((host, int(port)))
            self.send_response(200)
            self.end_headers()

            def pump(a, b):
                try:
                    while data := a.recv(65536):
                        b.sendall(data)
                    b.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
            back = threading.Thread(target=pump, args=(there, self.connection), daemon=True)
            back.start()
            pump(self.connection, there)
            back.join(10)
            there.close()
            self.close_connection = True

        def log_message(self, *_):
            pass

    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    proxy.daemon_threads = True
    threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
    with Endpoint(tmp_path / "e", good()) as endpoint, Provider("ya29.new") as provider:
        env = {"https_proxy": "http://me:s%%40fe@127.0.0.1:%d/" % proxy.server_address[1]}
        with relay(tmp_path, provider, endpoint, REFRESH, env=env) as r:
            send(r)
            provider.wait(1)
            assert asked == [("localhost:%d" % endpoint.port, "Basic bWU6c0BmZQ==")] and len(endpoint.forms) == 1
    with Endpoint(tmp_path / "e", good()) as endpoint, Provider("ya29.new") as provider:
        with relay(tmp_path / "3", provider, endpoint, REFRESH, env=dict(env, no_proxy="other.test, localhost")) as r:
            send(r)
            provider.wait(1)
            assert len(asked) == 1 and len(endpoint.forms) == 1
    proxy.shutdown()
    proxy.server_close()
    with Endpoint(tmp_path / "e", good()) as endpoint, Provider("ya29.new") as provider:
        with relay(tmp_path / "2", provider, endpoint, REFRESH, env={"https_proxy": "127.0.0.1:%d" % free_port()}) as r:
            send(r)
            r.wait_log("no access token for .*: the token endpoint: ")
            assert not endpoint.forms


def test_sendmail_without_a_daemon_does_the_same(tmp_path):
    with Endpoint(tmp_path / "e", good(refresh_token="1//second")) as endpoint, Provider("ya29.new") as provider:
        r = relay(tmp_path, provider, endpoint, REFRESH)
        send(r)
        provider.wait(1)
        assert len(endpoint.forms) == 1
        send(r)
        provider.wait(2)
        assert len(endpoint.forms) == 1, "what was had is kept beside the credential"
        assert os.stat(r.path("token.json.state")).st_mode & 0o777 == 0o600


@pytest.mark.parametrize("chosen", ["", "plain"])
def test_a_credential_is_shown_to_nobody_as_a_password(tmp_path, chosen):
    with Endpoint(tmp_path / "e", good()) as endpoint, Provider("ya29.new") as provider, relay(tmp_path, provider, endpoint, REFRESH) as r:
        with open(r.path("main.cf")) as f:
            text = f.read()
        r.write("main.cf", text.replace("smtp_sasl_mechanism_filter = xoauth2", "smtp_sasl_mechanism_filter = " + chosen if chosen else ""))
        r.run("relayctl", "reload")
        send(r)
        if chosen:
            wait(lambda: r.log_lines("status=deferred .*the password is the name of a credential for tokens, .* leads to PLAIN"))
            assert not provider.said
        else:
            provider.wait(1)
            assert [mechanism for mechanism, _ in provider.said] == ["OAUTHBEARER"]


def test_credential_of_the_environment(tmp_path):
    (tmp_path / "secret").write_text('s"ecret\\\n')
    with Endpoint(tmp_path / "e", good(refresh_token="1//second")) as endpoint, Provider("ya29.new") as provider:
        r = Relay(tmp_path / "r", MAIN.format(port=provider.port, dir=tmp_path, mechanism="").replace("smtp_sasl_mechanism_filter = \n", "")
                  .replace("smtp_sasl_password_maps", "# ") + "smtp_tls_security_level = may\noauth_tls_CAfile = %s\n" % endpoint.ca,
                  env={"https_proxy": "", "RELAYHOST": "[127.0.0.1]:%d" % provider.port, "RELAYHOST_USERNAME": USER, "XOAUTH2_CLIENT_ID": "an id",
                       "XOAUTH2_SECRET_FILE": str(tmp_path / "secret"), "XOAUTH2_INITIAL_REFRESH_TOKEN": "1//first",
                       "XOAUTH2_TOKEN_ENDPOINT": endpoint.url})
        with r:
            send(r)
            provider.wait(1)
            assert endpoint.forms == [{"grant_type": "refresh_token", "client_id": "an id", "client_secret": 's"ecret\\', "refresh_token": "1//first"}]
            wait(r.empty)
            r.stop()
            r.start()
            send(r)
            provider.wait(2)
            assert len(endpoint.forms) == 1
            assert r.log_lines("new access token for the environment's credential")
            for secret in ("1//", "ecret", "ya29"):
                assert secret not in r.log() + r.stderr()
