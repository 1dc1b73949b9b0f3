"""relayctl oauth: a login by the device grant (RFC 8628) and by the code grant, as Microsoft and Google document theirs; what a token file has,
and whether it works."""
import base64
import hashlib
import json
import os
import signal
import subprocess
import threading
import time
import urllib.parse

import pytest

from lab import RELAYBOX, Relay, wait
from test_oauth import USER, Provider
from test_oauth_grants import REFRESH, Endpoint, good, relay, send

DEVICE = {"device_code": "GmRh-secret", "user_code": "WDJB-MJHT", "verification_uri": "https://example.com/device", "expires_in": 900, "interval": 1}


class Authorizer(Endpoint):
    """An endpoint for codes and tokens: `looks` are its answers to "has it been entered?", the last one again and again."""

    def __init__(self, folder, looks, device=(200, DEVICE)):
        self.looks, self.device, self.asked_at = list(looks), device, []
        super().__init__(folder, self.take)

    def take(self, form):
        if "grant_type" not in form:
            return self.device
        self.asked_at.append(time.monotonic())
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]


def control(tmp_path, ca, main_cf=""):
    folder = tmp_path / "c"
    folder.mkdir(exist_ok=True)
    (folder / "main.cf").write_text("queue_directory = %s/queue\noauth_tls_CAfile = %s\n%s" % (folder, ca, main_cf))
    return str(folder)


def oauth(folder, *args, stdin="", env=None):
    return subprocess.run([RELAYBOX, "relayctl", "-c", folder, "oauth", *map(str, args)], input=stdin, capture_output=True, text=True, timeout=60,
                          env=dict(os.environ, HTTPS_PROXY="", TZ="UTC", **dict({"https_proxy": ""}, **(env or {}))))


def waiting(error="authorization_pending"):
    return 400, {"error": error, "error_description": "not yet"}


def test_device_login_waits_for_the_person_and_writes_a_file_that_relayd_takes(tmp_path):
    file, secret = tmp_path / "user.json", tmp_path / "secret"
    secret.write_text("s&cret\n")
    with Authorizer(tmp_path / "e", [waiting(), waiting(), good("ya29.new", refresh_token="1//first")]) as endpoint:
        p = oauth(control(tmp_path, endpoint.ca), "login", "--device-endpoint", endpoint.url + "/device", "--token-endpoint", endpoint.url,
                  "--client-id", "an id", "--secret-file", secret, "--scope", "mail offline", "--user", USER, file)
        assert p.returncode == 0, p
        assert "https://example.com/device" in p.stdout and "WDJB-MJHT" in p.stdout
        assert "[SERVER]:587 %s:%s\n" % (USER, file) in p.stdout
        assert endpoint.forms[0] == {"client_id": "an id", "scope": "mail offline"} and endpoint.paths[0].endswith("/device")
        assert endpoint.forms[1:] == [{"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": "an id", "client_secret": "s&cret",
                                       "device_code": "GmRh-secret"}] * 3
        for word in ("ya29", "1//", "cret", "GmRh"):
            assert word not in p.stdout + p.stderr
        assert os.stat(file).st_mode & 0o777 == 0o600 and sorted(os.listdir(tmp_path)) == ["c", "e", "secret", "user.json"]
        written = json.loads(file.read_text())
        assert abs(int(written.pop("expiry")) - time.time() - 3600) < 60
        assert written == {"user": USER, "client_id": "an id", "client_secret": "s&cret", "token_endpoint": endpoint.url, "scope": "mail offline",
                           "refresh_token": "1//first", "access_token": "ya29.new"}
        endpoint.looks = [good("ya29.second")]
        with Provider("ya29.new") as provider, relay(tmp_path, provider, endpoint, {}) as r:
            r.write("token.json", file.read_text())
            send(r)
            provider.wait(1)
            assert len(endpoint.forms) == 4


def test_device_login_slows_down_when_it_is_told_and_survives_an_endpoint_in_trouble(tmp_path):
    with Authorizer(tmp_path / "e", [(503, b""), waiting("slow_down"), good("a", refresh_token="r")]) as endpoint:
        p = oauth(control(tmp_path, endpoint.ca), "login", "--device-endpoint", endpoint.url, "--token-endpoint", endpoint.url, "--client-id", "x",
                  tmp_path / "f")
        assert p.returncode == 0, p
        first, second, third = endpoint.asked_at
        assert second - first >= 2 and third - second >= 7


@pytest.mark.parametrize("looks, device, says", [
    ([waiting("access_denied")], (200, DEVICE), "400 access_denied: not yet (whoever was asked said no)"),
    ([waiting("expired_token")], (200, DEVICE), "(the code was not entered in time: begin again)"),
    ([waiting()], (200, dict(DEVICE, expires_in=1)), "the code was not entered in time"),
    ([waiting("invalid_client")], (200, DEVICE), "(client_id or client_secret is wrong, or the secret has ended)"),
    ([good("a")], (200, DEVICE), "the endpoint gave a token for once and none to renew it"),
    ([], (400, {"error": "invalid_scope", "error_description": "no\x1b[1m such"}), "400 invalid_scope: no?[1m such (the scope is not one"),
    ([], (400, {"error": "unauthorized_client"}), "(the client is not registered for this"),
    ([], (200, {"access_token": "x"}), "the device endpoint gives no code"),
    ([], (200, dict(DEVICE, user_code=5)), "answers 200 without a token"),
    ([], (404, b"<html>"), "answers 404 without a token"),
], ids=["denied", "expired", "late", "client", "no refresh", "scope", "unauthorized", "token", "no code", "html"])
def test_device_login_that_fails_says_why_and_writes_nothing(tmp_path, looks, device, says):
    with Authorizer(tmp_path / "e", looks, device) as endpoint:
        p = oauth(control(tmp_path, endpoint.ca), "login", "--device-endpoint", endpoint.url, "--token-endpoint", endpoint.url, "--client-id", "x",
                  tmp_path / "f")
        assert p.returncode != 0 and says in p.stderr, p
        assert not os.path.exists(tmp_path / "f")


def test_nobody_is_asked_when_the_file_could_not_be_written(tmp_path):
    with Authorizer(tmp_path / "e", [good("a", refresh_token="r")]) as endpoint:
        p = oauth(control(tmp_path, endpoint.ca), "login", "--device-endpoint", endpoint.url, "--token-endpoint", endpoint.url, "--client-id", "x",
                  tmp_path / "no" / "f")
        assert p.returncode == 73 and "no/: No such file or directory" in p.stderr and not endpoint.forms, p


def test_what_another_process_was_given_is_not_written_over(tmp_path):
    """relayd asks with the first refresh token and is told nothing new; meanwhile another process was given a second one."""
    first, go_on = threading.Event(), threading.Event()

    def answer(form):
        if form["refresh_token"] == "1//first" and not first.is_set():
            first.set()
            go_on.wait(60)
            return 503, b""
        return good("ya29.%s" % form["refresh_token"][3:], refresh_token="1//second", expires_in=3600)
    with Endpoint(tmp_path / "e", answer) as endpoint, Provider("ya29.first") as provider, relay(tmp_path, provider, endpoint, REFRESH) as r:
        try:
            send(r)
            wait(first.is_set)
            assert oauth(r.dir, "test", r.path("token.json")).returncode == 0
        finally:
            go_on.set()
        r.wait_log("503 without a token")
        # the log tells it before the disk has it: what is kept is written by a thread
        wait(lambda: "503" in oauth(r.dir, "show", r.path("token.json")).stdout)
        assert "renewal   by a refresh token that the endpoint gave since\n" in oauth(r.dir, "show", r.path("token.json")).stdout
        provider.wait(1, seconds=40)
        assert [form["refresh_token"] for form in endpoint.forms] == ["1//first"] * 2


def test_device_login_can_be_interrupted(tmp_path):
    with Authorizer(tmp_path / "e", [waiting()]) as endpoint:
        p = subprocess.Popen([RELAYBOX, "relayctl", "-c", control(tmp_path, endpoint.ca), "oauth", "login", "--device-endpoint", endpoint.url,
                              "--token-endpoint", endpoint.url, "--client-id", "x", tmp_path / "f"], stdout=subprocess.PIPE,
                             env=dict(os.environ, https_proxy="", HTTPS_PROXY=""))
        wait(lambda: endpoint.asked_at)
        p.send_signal(signal.SIGINT)
        assert b"WDJB-MJHT" in p.communicate(timeout=30)[0]
        assert p.returncode == -signal.SIGINT and not os.path.exists(tmp_path / "f")


@pytest.mark.parametrize("how", ["address", "code", "wrong state", "refused", "nothing"])
def test_code_login_takes_the_address_where_the_browser_ended(tmp_path, how):
    with Endpoint(tmp_path / "e", good("ya29.new", refresh_token="1//first")) as endpoint:
        args = [RELAYBOX, "relayctl", "-c", control(tmp_path, endpoint.ca), "oauth", "login", "--authorize-endpoint", "https://accounts.example/auth?hl=en",
                "--token-endpoint", endpoint.url, "--client-id", "x", "--scope", "https://mail.example/", str(tmp_path / "f")]
        p = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             env=dict(os.environ, https_proxy="", HTTPS_PROXY=""))
        url = ""
        while not url.startswith("https://"):
            url = p.stdout.readline().strip()
        query = dict(urllib.parse.parse_qsl(url.partition("?")[2], strict_parsing=True))
        state = query["state"]
        pasted = {"address": "http://127.0.0.1/?state=%s&code=4%%2F0Ab&scope=x#end\n" % state, "code": "4/0Ab\n",
                  "wrong state": "http://127.0.0.1/?state=other&code=4%2F0Ab\n", "refused": "http://127.0.0.1/?error=access_denied&state=%s\n" % state,
                  "nothing": ""}[how]
        out, err = p.communicate(pasted, timeout=30)
        if how not in ("address", "code"):
            assert p.returncode != 0 and not endpoint.forms and not os.path.exists(tmp_path / "f")
            assert {"wrong state": "that is the answer to another login", "refused": "whoever was asked said no", "nothing": "given up"}[how] in err
            return
        assert p.returncode == 0, (out, err)
        form, = endpoint.forms
        verifier = form.pop("code_verifier")
        assert base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=") == query["code_challenge"]
        assert len(verifier) == 43
        assert form == {"grant_type": "authorization_code", "client_id": "x", "code": "4/0Ab", "redirect_uri": query["redirect_uri"]}
        assert query == dict(query, hl="en", response_type="code", client_id="x", scope="https://mail.example/", access_type="offline", prompt="consent",
                             code_challenge_method="S256", redirect_uri="http://127.0.0.1/")
        assert json.loads((tmp_path / "f").read_text())["refresh_token"] == "1//first"
        assert verifier not in out + err and "4/0Ab" not in out + err


def test_providers_are_known_by_name_and_asked_through_the_proxy(tmp_path):
    import socket
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        import threading

        def serve():
            while True:
                try:
                    c, _ = proxy.accept()
                except OSError:
                    return
                with c:
                    asked.append(c.recv(4096).split(b"\r\n")[0].decode())
                    c.sendall(b"HTTP/1.1 403 no\r\n\r\n")
        threading.Thread(target=serve, daemon=True).start()
        c = control(tmp_path, "/etc/ssl/certs/ca-certificates.crt")
        p = oauth(c, "login", "microsoft", "--tenant", "example.org", "--client-id", "x", tmp_path / "f",
                  env={"https_proxy": "127.0.0.1:%d" % proxy.getsockname()[1]})
        assert p.returncode != 0 and "the proxy answers 403" in p.stderr, p
        assert asked == ["CONNECT login.microsoftonline.com:443 HTTP/1.1"]
    p = oauth(c, "login", "google", "--client-id", "x", tmp_path / "f")
    assert "https://accounts.google.com/o/oauth2/v2/auth?response_type=code&client_id=x&" in p.stdout and p.returncode != 0
    for args, says in ((("login", "yahoo", "--client-id", "x", "f"), "no provider is known by this name"), (("login", "microsoft", "f"), "wants --client-id"),
                       (("login", "--client-id", "x", "f"), "login wants microsoft or google"), (("logout", "f"), "oauth takes login"),
                       (("login", "--client-id", "x", "--device-endpoint", "http://x/", "--token-endpoint", "https://x/", "f"), "an https:// address")):
        p = oauth(c, *args)
        assert p.returncode == 64 and says in p.stderr, p


def test_login_made_again_needs_no_options_and_keeps_the_files_owner(tmp_path):
    file = tmp_path / "user.json"
    with Authorizer(tmp_path / "e", [good("ya29.new", refresh_token="1//again")]) as endpoint:
        file.write_text(json.dumps(dict(REFRESH, token_endpoint=endpoint.url)))
        os.chmod(file, 0o640)
        if os.geteuid() == 0:
            os.chown(file, 65534, 65534)
        p = oauth(control(tmp_path, endpoint.ca), "login", "--device-endpoint", endpoint.url, file)
        assert p.returncode == 0, p
        written = json.loads(file.read_text())
        assert [written[k] for k in ("client_id", "client_secret", "user", "refresh_token")] == ["an id", "s&cret=+", USER, "1//again"]
        assert os.stat(file).st_mode & 0o777 == 0o600 and (os.geteuid() or os.stat(file).st_uid == 65534)


# --- show, test -----------------------------------------------------------------------------------------------------------------------


def test_show_tells_what_there_is_and_no_secret(tmp_path):
    file = tmp_path / "user.json"
    with Endpoint(tmp_path / "e", good("ya29.new", refresh_token="1//second")) as endpoint:
        c = control(tmp_path, endpoint.ca)
        file.write_text(json.dumps(dict(REFRESH, token_endpoint=endpoint.url, scope="mail\x1b[1m")))
        os.chmod(file, 0o644)
        p = oauth(c, "show", file)
        assert p.returncode == 0, p
        for row in ("grant     refresh_token\n", "user      %s\n" % USER, "client    an id\n", "endpoint  %s\n" % endpoint.url, "scope     mail\\033[1m\n",
                    "token     none yet\n", "renewal   by the refresh token of the file\n", "error     -\n", "others than its owner may use this file"):
            assert row in p.stdout, (row, p.stdout)
        assert oauth(c, "test", file).returncode == 0
        p = oauth(c, "show", file)
        assert "token     ends 20" in p.stdout and ", in 59 min\n" in p.stdout and "renewal   by a refresh token that the endpoint gave since\n" in p.stdout
        endpoint.answer = 400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
        assert oauth(c, "test", file).returncode != 0
        shown = oauth(c, "show", file).stdout
        assert "error     the token endpoint says 400 invalid_grant: Token has been expired or revoked. (the grant has ended" in shown
        for secret in ("ya29", "1//", "s&cret"):
            assert secret not in p.stdout + shown
    for text, says in (("", "not a JSON object"), ("{}", "token_endpoint is not"), (None, "No such file")):
        file.unlink(missing_ok=True)
        if text is not None:
            file.write_text(text)
        p = oauth(c, "show", file)
        assert p.returncode != 0 and says in p.stderr, p


@pytest.mark.parametrize("answer, says", [
    ((400, {"error": "invalid_grant"}), "the grant has ended or was revoked: log in again"),
    ((401, {"error": "invalid_client"}), "client_id or client_secret is wrong"),
    ((400, {"error": "invalid_scope"}), "the scope is not one that this client may ask for"),
    ((404, b""), "the token endpoint answers 404 without a token"),
])
def test_test_says_in_words_what_is_wrong(tmp_path, answer, says):
    file = tmp_path / "user.json"
    with Endpoint(tmp_path / "e", answer) as endpoint:
        c = control(tmp_path, endpoint.ca)
        file.write_text(json.dumps(dict(REFRESH, token_endpoint=endpoint.url)))
        p = oauth(c, "test", file)
        assert p.returncode == 69 and says in p.stderr and "clock" not in p.stderr, p
        endpoint.date = time.time() + 7200
        p = oauth(c, "test", file)
        assert "this host's clock is 7" in p.stderr and "behind the endpoint's" in p.stderr, p
    p = oauth(c, "test", file)
    assert p.returncode == 69 and "the token endpoint: Connection refused" in p.stderr, p


def test_test_logs_in_with_the_token(tmp_path):
    with Endpoint(tmp_path / "e", good("ya29.new")) as endpoint, Provider("ya29.new") as provider:
        r = relay(tmp_path, provider, endpoint, REFRESH)
        file = r.path("token.json")
        p = oauth(r.dir, "test", file)
        assert p.returncode == 0 and p.stdout.endswith("login: taken\n"), p
        assert provider.said == [("XOAUTH2", "user=%s\1auth=Bearer ya29.new\1\1" % USER)]
        p = oauth(r.dir, "test", "--user", "other@example.com", "--relay", "[127.0.0.1]:%d" % provider.port, file)
        assert p.returncode != 0 and "535 5.7.8 Username and token not accepted" in p.stderr, p
        assert "ya29" not in p.stdout + p.stderr
        assert provider.wait(0) == []


def test_test_and_relayd_spend_one_refresh_token_after_the_other(tmp_path):
    """An endpoint that replaces the refresh token each time, and takes none twice."""
    spent = []

    def answer(form):
        if form["refresh_token"] in spent:
            return 400, {"error": "invalid_grant"}
        spent.append(form["refresh_token"])
        return good("ya29.%d" % len(spent), refresh_token="1//%d" % len(spent), expires_in=1)
    with Endpoint(tmp_path / "e", answer) as endpoint, Provider("") as provider:
        provider.auth = lambda *_: "235 2.7.0 ok"
        provider.script["AUTH"] = lambda *_: "235 2.7.0 ok"
        with relay(tmp_path, provider, endpoint, REFRESH, main_cf="smtp_connection_reuse_count_limit = 1\n") as r:
            for n in range(1, 4):
                time.sleep(1)
                send(r)
                provider.wait(n)
                wait(lambda n=n: len(spent) >= 2 * n - 1)
                wait(r.empty)
                p = oauth(r.dir, "test", r.path("token.json"))
                assert p.returncode == 0, (p, spent)
            assert not r.log_lines("no access token"), spent
