"""The units of docs/examples under a real systemd, installed as README says: the first process of a Debian of its own, in namespaces and a cgroup of its own."""
import os
import re
import shutil
import subprocess

import pytest

from lab import RELAYBOX, ROOT, SLOW, wait

EXAMPLES = os.path.join(ROOT, "docs/examples")
# from outside: the root, what is mounted in one, and systemd
BOOT = r"""
mount -t tmpfs none $1/root; tar -xpf $2 -C $1/root
mkdir $1/root/probe $1/root/etc/relaybox; mount --bind $1/in $1/root/probe
cp $1/in/relaybox $1/root/usr/local/bin/; cp $1/in/main.cf $1/root/etc/relaybox/; cp $1/in/probe.service $1/in/test.target $1/root/etc/systemd/system/
echo 0123456789abcdef0123456789abcdef > $1/root/etc/machine-id
ip link set lo up; hostname lab
mount -t proc proc $1/root/proc; mount --rbind /dev $1/root/dev; mount -t tmpfs none $1/root/run; mount -t tmpfs none $1/root/tmp
# what is `make install` there has been done
chroot $1/root sh -ec "make() { :; }; cd /probe; $(sed '/^systemctl/d' $1/in/readme)"
mount -t sysfs sysfs $1/root/sys
if grep -q name=systemd /proc/self/cgroup; then
	mount -t tmpfs none $1/root/sys/fs/cgroup; mkdir $1/root/sys/fs/cgroup/systemd $1/root/sys/fs/cgroup/unified
	mount -t cgroup -o none,name=systemd cgroup $1/root/sys/fs/cgroup/systemd; mount -t cgroup2 cgroup2 $1/root/sys/fs/cgroup/unified
else
	mount -t cgroup2 cgroup2 $1/root/sys/fs/cgroup
fi
exec chroot $1/root env -i container=lxc PATH=/usr/sbin:/usr/bin /lib/systemd/systemd --system --unit=test.target
"""
PROBE_SERVICE = """[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
Environment=LC_ALL=C
ExecStart=/bin/bash /probe/probe.sh
StandardOutput=file:/probe/out
StandardError=file:/probe/out
"""
# systemd starts a unit five times in ten seconds
PROBE = r"""
# what a client hears
hear() { (exec 3<>/dev/tcp/127.0.0.1/2525 && IFS= read -t 20 -r line <&3 && echo "${line%% *}" || echo refused) 2> /dev/null; }
arrive() { n=0; until "$@" 2> /dev/null; do sleep 0.1; [ $((n += 1)) -lt 200 ] || { journalctl -n 40 -u relaybox; mailq; return 1; }; done; }
# by the unit of the package, which begins as root: into mailboxes, a file that an alias names, a Maildir below a home that is closed to others
deliver() {
	useradd -m alice; chmod 700 /home/alice
	echo 'archive: /var/spool/relaybox/archive' > /etc/aliases
	postconf -e mydestination=box.test myorigin=box.test alias_maps=texthash:/etc/aliases
	systemctl reset-failed relaybox; systemctl restart relaybox
	for to in alice archive root; do echo "Subject: box $to" | sendmail -f a@b.test $to; done
	arrive grep -q '^Subject: box' /var/mail/alice && arrive grep -q '^Subject: box' /var/spool/relaybox/archive && arrive grep -q '^Subject: box' /var/mail/root
	echo "owner: $(stat -c %U /var/mail/alice)"
	postconf -e home_mailbox=Maildir/
	systemctl restart relaybox
	echo "Subject: dir" | sendmail -f a@b.test alice
	arrive grep -qr '^Subject: dir' /home
	echo "dir: $(stat -c %U /home/*/Maildir/new/*)"
	echo "sandbox: $(journalctl -u relaybox | grep -c -e 'privileged helper:' -e Operation.not.permitted)"
}
show() { echo "$1: $(systemctl show -p "$2" --value relaybox)"; }
sh -xc "$(grep '^systemctl' /probe/readme)" || journalctl -u relaybox
show started ActiveState
while [ ! -e /tmp/stop ]; do hear; done > /tmp/heard &
for n in 1 2 3; do
	sleep 0.5
	echo "Subject: $n" | sendmail -f a@b.test user$n@c.test
	systemctl restart relaybox
done
show kept NFileDescriptorStore
touch /tmp/stop
wait
echo "heard: $(sort -u /tmp/heard | tr '\n' ' ')"
systemctl reload relaybox
show reloaded ActiveState
echo "queue: $(mailq | tail -n 1)"
[ ! -e /probe/delivers ] || deliver
systemctl stop relaybox
show stopped Result
echo end
"""


def hierarchies():
    """Where cgroups are mounted that systemd wants."""
    with open("/proc/mounts") as f:
        rows = [line.split() for line in f]
    return [r[1] for r in rows if r[2] == "cgroup2" or r[2] == "cgroup" and "name=systemd" in r[3].split(",")]


class Cgroup:
    """One of our own; what systemd makes is in it, and goes with it."""

    def __init__(self):
        self.paths = [os.path.join(h, "relaybox-test-%d" % os.getpid()) for h in hierarchies()]
        for p in self.paths:
            os.mkdir(p)

    def enter(self):
        for p in self.paths:
            with open(p + "/cgroup.procs", "w") as f:
                f.write("0")

    def remove(self):
        for p in self.paths:
            for folder, _, _ in os.walk(p, topdown=False):
                wait(lambda folder=folder: self.gone(folder), 30)

    @staticmethod
    def gone(folder):
        try:
            os.rmdir(folder)
            return True
        except OSError:
            return False


def able():
    return os.getuid() == 0 and SLOW == 1 and shutil.which("mmdebstrap") and hierarchies() and all(os.access(h, os.W_OK) for h in hierarchies())


@pytest.mark.long
@pytest.mark.skipif(not able(), reason="needs root, mmdebstrap, cgroups that can be written, and a static binary")
@pytest.mark.parametrize("unit", ["systemd", "debian"])
def test_the_unit_serves_and_restarts_without_refusing_anybody(tmp_path, unit):
    tar, given = os.path.join(os.path.dirname(RELAYBOX), "debian/root.tar"), tmp_path / "in"
    subprocess.run([os.path.join(ROOT, "tests/e2e/debian_root"), tar], check=True)
    (tmp_path / "root").mkdir(), given.mkdir()
    shutil.copytree(os.path.join(EXAMPLES, "systemd"), given / "docs/examples/systemd")
    shutil.copy(os.path.join(EXAMPLES, unit, "relaybox.service"), given / "docs/examples/systemd")
    shutil.copy(RELAYBOX, given / "relaybox")
    with open(os.path.join(ROOT, "README.md")) as f:
        readme = next(b for b in re.findall(r"^```\n(.*?)^```", f.read(), re.M | re.S) if "enable --now" in b)
    for name, text in {"main.cf": "inet_interfaces = loopback-only\nsmtpd_listen = 2525\nmydestination =\nalias_maps =\nmail_owner = relaybox\n"
                                  "default_transport = retry:4.0.0 wait\nsmtpd_client_connection_rate_limit = 0\n",
                       "readme": readme, "test.target": "[Unit]\nRequires=probe.service\n", "probe.service": PROBE_SERVICE, "probe.sh": PROBE, "out": "",
                       **({"delivers": ""} if unit == "debian" else {})}.items():
        (given / name).write_text(text)
    group = Cgroup()
    boot = subprocess.Popen(["unshare", "-m", "-p", "-f", "-n", "-u", "-i", "-C", "--kill-child", "--propagation", "private", "sh", "-ec", BOOT, "sh",
                             str(tmp_path), tar], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=group.enter)

    def over():
        return boot.poll() is not None or (given / "out").read_text().endswith("end\n")
    try:
        wait(over, 90)
    finally:
        boot.kill()
        told = boot.communicate()[0].decode(errors="replace")
        group.remove()
    out = (given / "out").read_text()
    said = dict(re.findall(r"^(\w+): (.*)$", out, re.M))
    assert said.get("started") == said.get("reloaded") == "active" and said.get("stopped") == "success" and "failed" not in out, out + told
    assert int(said["kept"]) >= 1 and said["heard"].split() == ["220"], out
    assert "3 Requests" in said["queue"]
    assert unit != "debian" or (said["owner"], said["dir"], said["sandbox"]) == ("alice", "alice", "0"), out
