"""mxcheck --relay tells whose fault it is when a login with a token fails: the endpoint's, the grant's, the client's, the token's or the user's."""
import json
import os
import re
import subprocess
import time

import pytest

from lab import RELAYBOX
from test_oauth import Provider
from test_oauth_grants import REFRESH, Endpoint, good, relay


def look(r):
    p = subprocess.run([RELAYBOX, "mxcheck", "-v", "--relay", "-c", r.dir], capture_output=True, text=True, timeout=60,
                       env=dict(os.environ, https_proxy="", HTTPS_PROXY=""))
    for secret in ("ya29", "1//", "s&cret"):
        assert secret not in p.stdout + p.stderr
    return p.returncode, re.sub(r"\s+", " ", p.stdout)


@pytest.mark.parametrize("answer, token, credential, says, advice", [
    (good(), "ya29.new", {}, "logged in (XOAUTH2)", ""),
    ((400, {"error": "invalid_grant", "error_description": "AADSTS700082: The refresh token has expired"}), "", {},
     "the token endpoint says 400 invalid_grant: AADSTS700082: The refresh token has expired", "relayctl oauth login, into the same file"),
    ((401, {"error": "invalid_client"}), "", {}, "401 invalid_client", "correct client_id and client_secret in the token file"),
    ((503, b""), "", {}, "the token endpoint answers 503 without a token", "relayctl oauth test tries the token file"),
    (None, "", {}, "the token endpoint: Connection refused", "relayctl oauth test tries the token file"),
    (good(), "ya29.other", {}, "said: 535 5.7.8 Username and token not accepted (status invalid_token, scope mail) (to a new access token",
     "the token is good, the login is not"),
    (good(), "ya29.other", {"access_token": "ya29.old", "expiry": int(time.time()) + 3000}, "(to an access token that was had before",
     "the token has ended or was revoked: ask again"),
], ids=["good", "grant", "client", "broken", "gone", "user", "revoked"])
def test_fault_of_a_token_in_words(tmp_path, answer, token, credential, says, advice):
    with Endpoint(tmp_path / "e", answer) as endpoint, Provider(token) as provider:
        r = relay(tmp_path, provider, endpoint, dict(REFRESH, **credential))
        if answer is None:
            endpoint.server.shutdown()
            endpoint.server.server_close()
        code, text = look(r)
        assert says in text and advice in text, text
        assert (code == 0) == (not advice), text


def test_revoked_token_is_replaced_when_it_is_asked_again(tmp_path):
    with Endpoint(tmp_path / "e", good()) as endpoint, Provider("ya29.new") as provider:
        r = relay(tmp_path, provider, endpoint, dict(REFRESH, access_token="ya29.old", expiry=int(time.time()) + 3000))
        assert "had before" in look(r)[1]
        assert "logged in" in look(r)[1]
        assert json.loads(open(r.path("token.json")).read())["access_token"] == "ya29.old" and len(endpoint.forms) == 1
