"""A Postfix in a folder of its own, which runs beside ours on loopback."""
import os
import shutil
import smtplib
import subprocess

import pytest

from lab import free_port, wait

MASTER = "/usr/lib/postfix/sbin/master"
SERVICES = """\
127.0.0.1:%d inet n - n - - smtpd
pickup unix n - n 600 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
retry unix - - n - - error
error unix - - n - - error
"""


def needs_postfix():
    if os.geteuid() != 0 or not os.path.exists(MASTER):
        pytest.skip("needs root and Postfix")


class Postfix:
    """In folder, with everything for port relay_port."""

    def __init__(self, folder, relay_port, more=""):
        self.dir, self.port, self.process = folder, free_port(), None
        for name in ("conf", "queue", "data"):
            os.makedirs(folder / name)
        shutil.chown(folder / "data", "postfix")
        (folder / "conf/main.cf").write_text(
            "compatibility_level = 3.6\nmyhostname = relay.example.test\nqueue_directory = %s/queue\ndata_directory = %s/data\n"
            "inet_interfaces = 127.0.0.1\nmydestination =\nalias_maps =\nlocal_recipient_maps =\nrelayhost = [127.0.0.1]:%d\n"
            "mynetworks = 127.0.0.0/8\nalternate_config_directories =\ndisable_dns_lookups = yes\n%s" % (folder, folder, relay_port, more))
        (folder / "conf/master.cf").write_text(SERVICES % self.port)
        subprocess.run(["postfix", "-c", str(folder / "conf"), "check"], check=True, capture_output=True)

    def __enter__(self):
        self.process = subprocess.Popen([MASTER, "-d", "-c", str(self.dir / "conf")], stderr=subprocess.DEVNULL)

        def greets():
            "Postfix to serve"
            try:
                return smtplib.SMTP("127.0.0.1", self.port, timeout=5).quit()
            except OSError:
                return None
        wait(greets, 30)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
