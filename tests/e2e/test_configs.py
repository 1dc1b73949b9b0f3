"""Configurations as people write them: what `relayd -t` says of each.

Each folder of tests/e2e/configs holds a main.cf, and where they are needed a master.cf, tables, and `env` (NAME=value lines of
the environment). `want` is all that -t has to say, in order; its last line tells whether the configuration is good. DIR stands
for the folder, in which there are also cert.pem and key.pem. Written after the guides and stock files that their first lines name.
"""
import os
import re
import shutil
import subprocess

import pytest
from lab import RELAYBOX, ROOT, SANITIZER, certificate

CONFIGS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "configs")


@pytest.mark.parametrize("name", sorted(os.listdir(CONFIGS)))
def test_config(name, tmp_path):
    folder = str(tmp_path / "conf")
    shutil.copytree(os.path.join(CONFIGS, name), folder)
    certificate(folder)
    env = {}
    for path, _, files in os.walk(folder):
        for file in files:
            full = os.path.join(path, file)
            with open(full) as f:
                text = f.read()
            os.chmod(full, 0o600)
            # a key in base64 may well have these three letters
            if file != "want" and not file.endswith(".pem"):
                with open(full, "w") as f:
                    f.write(text.replace("DIR", folder))
    if os.path.exists(folder + "/env"):
        with open(folder + "/env") as f:
            env = dict(line.split("=", 1) for line in f.read().splitlines() if line)
    with open(folder + "/want") as f:
        want = f.read().splitlines()
    done = subprocess.run([RELAYBOX, "relayd", "-c", folder, "-t"], env={**SANITIZER, **env}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = [re.sub(r"^relayd: ", "", line) for line in done.stdout.replace(folder, "DIR").splitlines()]
    # what the host's own aliases look like is no matter of the configuration; a table is walked in no order
    assert sorted(line for line in said if "/etc/aliases" not in line) == sorted(want)
    assert (done.returncode == 0) == want[-1].endswith("the configuration is good")


@pytest.mark.parametrize("mode, group, says", [(0o644, 0, None), (0o666, 0, "the file is writable by everyone: chmod o-w it"),
                                               (0o664, 0, None), (0o664, 12, "the file is writable by its group, 12: chmod g-w it"),
                                               (0o646, 12, "the file is writable by everyone: chmod o-w it")])
@pytest.mark.parametrize("use", ["transport_maps = texthash:%s", "smtp_tls_security_level = may\nsmtp_tls_CAfile = %s", "mydestination = a.test, %s",
                                 "smtpd_recipient_restrictions = check_recipient_access texthash:%s, reject_unauth_destination"])
def test_files_that_others_may_write_are_told(tmp_path, mode, group, says, use):
    cert, _ = certificate(str(tmp_path))
    table = str(tmp_path / "table")
    shutil.copy(cert, table) if "CAfile" in use else open(table, "w").write({"my": "b.test\n", "sm": "a.test DUNNO\n"}.get(use[:2], "a.test discard:\n"))
    if group and os.getuid() != 0:
        pytest.skip("needs root to give the file a group")
    if group:
        os.chown(table, -1, group)
    os.chmod(table, mode)
    (tmp_path / "main.cf").write_text("alias_maps =\n" + use % table + "\n")
    done = subprocess.run([RELAYBOX, "relayd", "-c", tmp_path, "-t"], env=SANITIZER, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    told = [line for line in done.stdout.splitlines() if "writable" in line]
    assert told == (["relayd: %s: warning: %s" % (table, says)] if says else []) and done.returncode == 0, done.stdout


PAGE = os.path.join(ROOT, "docs", "compatibility.md")
ROWS = [re.match(r"\| `(\w+)` \| (done|not needed|as|warned|refused) \| (.*) \|$", line) for line in open(PAGE, encoding="utf-8")]
ROWS = [m.groups() for m in ROWS if m]


def check(folder, text):
    (folder / "main.cf").write_text("myhostname = m.example.test\nalias_maps =\n" + text)
    done = subprocess.run([RELAYBOX, "relayd", "-c", folder, "-t"], env=SANITIZER, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, [re.sub(r"^relayd: (.*/main.cf:\d+: )?", "", line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("word, says", [("as", r"warning: %s is not implemented: "), ("warned", r"warning: %s is not implemented: "),
                                        ("not needed", None)])
def test_page_of_parameters_is_true_of_the_program(tmp_path, word, says):
    names = [name for name, what, _ in ROWS if what == word]
    code, said = check(tmp_path, "mydestination =\n" + "".join("%s = odd\n" % name for name in names))
    assert code == 0 and said.pop().endswith("the configuration is good")
    wanted = [says % name for name in names] if says else []
    assert len(said) == len(wanted) and all(re.match(w, s) for w, s in zip(wanted, said)), said


def test_page_of_parameters_tells_what_is_refused(tmp_path):
    for name, what, why in ROWS:
        if what != "refused":
            continue
        code, said = check(tmp_path, "mydestination = here.test\n%s = kRSA\n" % name)
        assert code == 78 and len(said) == 1 and name in said[0] and said[0].count(":") >= 1, (name, said)
        assert "cipher" in why or re.sub(r"^where mail is delivered locally: | \(`.*\n?", "", why) in said[0].replace("|", "\\|"), (why, said)
        taken = re.search(r"\(`(.*)` is taken\)$", why)
        code, said = check(tmp_path, "mydestination = here.test\n%s = %s\n" % (name, taken.group(1) if taken else ""))
        assert code == 0 and len(said) == 1, (name, said)


def test_page_of_parameters_names_what_is_done(tmp_path):
    """No such name is unknown, or told as not implemented; each value of its own kind may be wrong."""
    _, said = check(tmp_path, "".join("%s = odd\n" % name for name, what, _ in ROWS if what == "done"))
    assert not [line for line in said if "unknown parameter" in line or "not implemented" in line]


def test_values_of_as_rows_are_taken_in_silence(tmp_path):
    values = [(name, re.match(r"`(.*?)`", why).group(1)) for name, what, why in ROWS if what == "as"]
    code, said = check(tmp_path, "mydestination =\n" + "".join("%s = %s\n" % pair for pair in values))
    assert code == 0 and len(said) == 1, said


@pytest.mark.parametrize("mode, told", [(0o600, False), (0o640, False), (0o644, True)])
def test_secrets_that_everyone_may_read_are_told(tmp_path, mode, told):
    """Tables of passwords, what mapgen made of them, and keys."""
    cert, key = certificate(str(tmp_path))
    table = tmp_path / "passwords"
    table.write_text("[smtp.example.net]:587 user:secret\n")
    subprocess.run([RELAYBOX, "mapgen", "hash:%s" % table], check=True, env=SANITIZER)
    for path in str(table), "%s.cdb" % table, key, cert:
        os.chmod(path, mode)
    code, said = check(tmp_path, "relayhost = [smtp.example.net]:587\nmydestination =\nsmtp_sasl_auth_enable = yes\nsmtp_sasl_security_options = noanonymous\n"
                       "smtp_tls_security_level = encrypt\nsmtp_sasl_password_maps = hash:%s\nsmtpd_tls_security_level = may\nsmtpd_tls_cert_file = %s\n"
                       "smtpd_tls_key_file = %s\n" % (table, cert, key))
    want = sorted("%s: warning: everyone may read the secrets in the file: chmod o-r it" % p for p in ("%s.cdb" % table, key)) if told else []
    assert code == 0 and sorted(said[:-1]) == want


LOGIN = "lmtp_sasl_auth_enable = yes\nlmtp_sasl_security_options = noanonymous\nlmtp_tls_security_level = encrypt\n"
LINE = "".join("  -o %s\n" % line.replace(" ", "") for line in LOGIN.splitlines())


@pytest.mark.parametrize("main, master", [
    (LOGIN + "lmtp_sasl_password_maps = texthash:%s\n", ""),
    (LOGIN + "lmtp_sasl_password_maps = unionmap:{inline:{a.test=u:p}, texthash:%s}\n", ""),
    ("", "store unix - - n - - lmtp\n" + LINE + "  -o lmtp_sasl_password_maps=texthash:%s\n"),
    ("", "slow unix - - n - - smtp\n" + LINE.replace("lmtp", "smtp") + "  -o smtp_sasl_password_maps=texthash:%s\n"),
    ("", "submission inet n - n - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n  -o smtpd_tls_security_level=encrypt\n"
     "  -o smtpd_sasl_password_maps=texthash:%s\n"),
], ids=["lmtp", "nested", "lmtp-line", "smtp-line", "smtpd-line"])
def test_secrets_of_lmtp_and_of_lines_are_told(tmp_path, main, master):
    table = tmp_path / "passwords"
    table.write_text("server.test user:{PLAIN}secret\n" if "smtpd" not in master else "user {PLAIN}secret\n")
    cert, key = certificate(str(tmp_path))
    for path, mode in (table, 0o644), (key, 0o600):
        os.chmod(path, mode)
    (tmp_path / "master.cf").write_text("smtp inet n - n - - smtpd\n" + (master % table if "%s" in master else master))
    code, said = check(tmp_path, "mydestination =\nsmtpd_tls_cert_file = %s\nsmtpd_tls_key_file = %s\n" % (cert, key) +
                       (main % table if "%s" in main else main))
    assert code == 0 and said[:-1] == ["%s: warning: everyone may read the secrets in the file: chmod o-r it" % table]
