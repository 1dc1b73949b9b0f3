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
from lab import RELAYBOX, SANITIZER, certificate

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
