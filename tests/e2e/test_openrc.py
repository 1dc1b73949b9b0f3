"""The service of docs/examples/openrc under a real OpenRC, in a Debian of its own."""
import os
import re
import shutil
import subprocess

import pytest

from lab import RELAYBOX, ROOT, SLOW

# from outside: the root, and what is mounted in one; inside: OpenRC's own state as its init leaves it, and the service as README says
OUTSIDE = r"""
mount -t tmpfs none $1/root; tar -xpf $2 -C $1/root
mkdir $1/root/probe $1/root/etc/relaybox; mount --bind $1/in $1/root/probe
ip link set lo up; hostname lab
mount -t proc proc $1/root/proc; mount --rbind /dev $1/root/dev; mount -t tmpfs none $1/root/run
exec chroot $1/root env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C sh /probe/probe.sh
"""
INSIDE = r"""
cd /run; mkdir openrc; cd openrc
mkdir starting started stopping inactive wasinactive failed hotplugged daemons options exclusive scheduled init.d tmp; echo default > softlevel
cp /probe/relaybox /usr/local/bin/; /usr/local/bin/relaybox --install -s /usr/sbin; cp /probe/main.cf /etc/relaybox/
install -m 755 /probe/service /etc/init.d/relaybox
adduser --system --group --quiet --no-create-home relaybox
rc-update -u > /dev/null 2>&1; rc-update add relaybox
say() { echo "== $*: $?"; }
do_() { rc-service relaybox $1; say $1; }
left() { say left $(grep -alE '[s]upervise-daemon|[s]bin/relayd' /proc/[0-9]*/cmdline 2> /dev/null | wc -l); }
# one right after the other: what started serves, and what stopped is gone
for n in 1 2; do
	do_ start; relayd --health; say health
	do_ restart; relayd --health; say health
	do_ stop; left
done
do_ start; do_ status; do_ reload; do_ flush; do_ restart; do_ restart; do_ stop; left
# what cannot start is told, and not tried for ever
perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 2525, Listen => 1) or die; open F, ">", "/run/taken"; sleep 60' &
until [ -e /run/taken ]; do sleep 0.1; done
do_ start; left
echo bad > /etc/relaybox/main.cf
do_ start; left
kill $!
say end
"""


@pytest.mark.long
@pytest.mark.skipif(SLOW > 1 or os.getuid() != 0 or not shutil.which("mmdebstrap"), reason="needs root, mmdebstrap, and a static binary")
def test_openrc_starts_restarts_and_stops_it_one_right_after_the_other(tmp_path):
    tar, given = os.path.join(os.path.dirname(RELAYBOX), "debian/root.tar"), tmp_path / "in"
    subprocess.run([os.path.join(ROOT, "tests/e2e/debian_root"), tar], check=True)
    (tmp_path / "root").mkdir(), given.mkdir()
    shutil.copy(RELAYBOX, given / "relaybox")
    shutil.copy(os.path.join(ROOT, "docs/examples/openrc/relaybox"), given / "service")
    (given / "main.cf").write_text("inet_interfaces = loopback-only\nsmtpd_listen = 2525\nmydestination =\nalias_maps =\nmail_owner = relaybox\n")
    (given / "probe.sh").write_text(INSIDE)
    done = subprocess.run(["unshare", "-m", "-p", "-f", "-n", "-u", "-i", "--kill-child", "--propagation", "private", "sh", "-ec", OUTSIDE, "sh",
                           str(tmp_path), tar], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    said = re.findall(r"^== (.*)$", done.stdout, re.M)
    good, gone = ["start: 0", "health: 0", "restart: 0", "health: 0", "stop: 0", "left 0: 0"], "left 0: 0"
    assert said == good * 2 + ["start: 0", "status: 0", "reload: 0", "flush: 0", "restart: 0", "restart: 0", "stop: 0", gone] + \
        ["start: 1", gone] * 2 + ["end: 0"], done.stdout[-4000:]
    assert "relayd does not serve: see /var/log/mail.log" in done.stdout and "already" not in done.stdout and "main.cf" in done.stdout
