"""The container image: what is in it, and how it runs as engines run it: any user, a root that cannot be written, one volume, and
nothing else; what is missing works all the same, or one line says what to mount."""
import contextlib
import ctypes
import hashlib
import json
import os
import re
import shlex
import shutil
import smtplib
import subprocess
import tarfile

import pytest
import yaml

from lab import RELAYBOX, ROOT, SLOW, Sink, certificate, wait

pytestmark = pytest.mark.skipif(os.getuid() != 0 or SLOW > 1, reason="needs root, and a static binary")
BUNDLE = "etc/ssl/certs/ca-certificates.crt"
CLONE_NEWNET = 0x40000000


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """(configuration, unpacked root) of the image that the build makes."""
    folder = tmp_path_factory.mktemp("image")
    os.chmod(folder, 0o755)
    env = dict(os.environ, CA_BUNDLE=certificate(str(folder))[0])
    subprocess.run([os.path.join(ROOT, "docs/examples/image/build"), RELAYBOX, folder / "image.tar"], env=env, check=True)
    with tarfile.open(folder / "image.tar") as archive:
        archive.extractall(folder / "archive")
    with open(folder / "archive/manifest.json") as f:
        manifest, = json.load(f)
    with open(folder / "archive" / manifest["Config"]) as f:
        config = json.load(f)
    for layer, digest in zip(manifest["Layers"], config["rootfs"]["diff_ids"]):
        with open(folder / "archive" / layer, "rb") as f:
            assert digest == "sha256:" + hashlib.sha256(f.read()).hexdigest()
        with tarfile.open(folder / "archive" / layer) as files:
            files.extractall(folder / "root", numeric_owner=True)
    return config, str(folder / "root")


def names():
    return subprocess.run([RELAYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()


class Container:
    """The image as an engine starts it, in a network and with mounts of its own: `volume` is a tmpfs with the mode and owner of the
    image's folder, as engines make it. No /proc, /dev, resolv.conf or time zones, unless `more` mounts them below $root."""

    def __init__(self, image, env=None, user="65534:65534", volume=True, more="", options=()):
        config, self.root = image
        config = config["config"]
        self.env = dict(e.split("=", 1) for e in config["Env"])
        self.env.update(env or {})
        self.user, self.command, self.health = user or config["User"], config["Entrypoint"] + list(options), config["Healthcheck"]["Test"][1:]
        spool, = config["Volumes"]
        st = os.stat(self.root + spool)
        script = "set -e; ip link set lo up; root=%s; mount --bind $root $root; " % self.root
        if volume:
            script += "mount -t tmpfs -o mode=%o,uid=%d,gid=%d none $root%s; " % (st.st_mode & 0o7777, st.st_uid, st.st_gid, spool)
        script += more + "\nmount -o remount,bind,ro $root; echo ready; exec sleep infinity"
        self.holder = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "-n", "-m", "--propagation", "private", "sh", "-c", script],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = self.holder.stdout.readline()
        assert said == "ready\n", said + self.holder.stdout.read()
        self.process = None

    def inside(self, *command):
        return ["nsenter", "-t", str(self.holder.pid), "-n", "-m", "--", "chroot", "--userspec=" + self.user, self.root, *command]

    def mode_of_spool(self, mode):
        os.chmod("/proc/%d/root%s/var/spool/relaybox" % (self.holder.pid, self.root), mode)

    def run(self, *command, stdin=""):
        return subprocess.run(self.inside(*command), env=self.env, input=stdin, capture_output=True, text=True, timeout=60)

    @contextlib.contextmanager
    def network(self):
        """In this block, new sockets of this thread are the container's."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net") as mine, open("/proc/%d/ns/net" % self.holder.pid) as its:
            assert libc.setns(its.fileno(), CLONE_NEWNET) == 0
            try:
                yield
            finally:
                libc.setns(mine.fileno(), CLONE_NEWNET)

    def sink(self, **more):
        with self.network():
            return Sink(**more)

    def start(self):
        self.process = subprocess.Popen(self.inside(*self.command), env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)

        def healthy():
            "the health check to be content"
            assert self.process.poll() is None, self.process.stdout.read()
            return self.run(*self.health).returncode == 0
        wait(healthy)

    def send(self, port=2525):
        with self.network(), smtplib.SMTP("127.0.0.1", port, timeout=20) as s:
            s.sendmail("app@example.com", ["user@example.net"], "Subject: hello\r\n\r\nhello\r\n")

    def stop(self):
        """What it said; 0 is its status."""
        self.process.terminate()
        said, _ = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, said
        self.process = None
        return said

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.kill()
            self.process.communicate()
        self.holder.kill()
        self.holder.communicate()


def test_the_image_has_a_binary_its_links_and_little_else(image):
    config, root = image
    files, links = {}, {}
    for folder, _, found in os.walk(root):
        for name in found:
            path = os.path.join(folder, name)
            if os.path.islink(path):
                links[os.path.relpath(path, root)] = os.readlink(path)
            else:
                files[os.path.relpath(path, root)] = os.path.getsize(path)
    assert sorted(files) == ["etc/group", "etc/passwd", BUNDLE, "usr/sbin/relaybox"]
    assert links == {"usr/sbin/" + name: "relaybox" for name in names()}
    assert sum(size for name, size in files.items() if name != BUNDLE) <= 2 << 20
    with open(root + "/etc/passwd") as f:
        line, = f
    assert line.split(":")[2:4] == ["65534", "65534"]
    assert [os.stat(root + "/var/spool" + name).st_uid for name in ("", "/relaybox")] == [0, 65534]
    config = config["config"]
    assert config["User"] == "65534:65534" and list(config["ExposedPorts"]) == ["2525/tcp"] and list(config["Volumes"]) == ["/var/spool/relaybox"]
    assert config["Healthcheck"]["Test"] == ["CMD", "/usr/sbin/relayd", "--health"]
    assert config["Entrypoint"] == ["/usr/sbin/relayd"] and not config.get("Cmd") and config["StopSignal"] == "SIGTERM"


@pytest.mark.parametrize("user", ("65534:65534", "1000:1000", "1234567:0", "0:0"))
def test_the_image_relays_with_nothing_but_a_relayhost(image, user):
    """A root that cannot be written, one volume, no /proc, no /dev; any user."""
    with Container(image, user=user) as c:
        sink = c.sink()
        c.env["RELAYHOST"] = "[127.0.0.1]:%d" % sink.port
        asleep = c.run(*c.health)
        assert asleep.returncode == 1 and "no relayd answers at /var/spool/relaybox/control" in asleep.stderr
        c.start()
        awake = c.run(*c.health)
        assert (awake.returncode, awake.stdout, awake.stderr) == (0, "ok\n", "")
        c.send()
        message, = sink.wait(1)
        assert message.rcpts == ["user@example.net"] and message.body == b"hello\r\n"
        said = c.stop()
        assert "mail is relayed for the private networks of this host: 127.0.0.0/8" in said
        assert len([line for line in said.splitlines() if "warning" in line]) == 1, said
        assert "/etc/resolv.conf: warning: No such file or directory: names are looked up at 127.0.0.1; in a container, mount it" in said
        assert c.run(*c.health).returncode == 1
        sink.close()


def test_a_reload_leaves_the_port_that_root_had(image):
    """Root was given up since."""
    with Container(image, {"RELAYHOST": "[127.0.0.1]:1"}, user="0:0") as c:
        c.env = {k: v for k, v in c.env.items() if "smtpd_listen" not in k}
        c.start()
        c.send(25)
        done = c.run("/usr/sbin/relayctl", "reload")
        assert done.returncode == 0, done.stderr
        c.send(25)
        assert "2525" not in c.stop()


def test_health_tells_what_is_wrong(image):
    with Container(image, {"RELAYHOST": "[127.0.0.1]:1"}) as c:
        c.start()
        c.mode_of_spool(0o555)
        done = c.run(*c.health)
        assert done.returncode == 1 and "queue_directory cannot be written" in done.stderr
        c.mode_of_spool(0o1777)
        # anybody may ask
        c.user = "4711:4711"
        assert c.run(*c.health).returncode == 0


SECURE = {"RELAYHOST_TLS_LEVEL": "secure"}
MISSING = {
    "volume": ({}, False, "", "queue_directory /var/spool/relaybox/log: Read-only file system: mount a volume there, one that uid 65534 may write"),
    "volume's rights": ({}, True, "chown 1:1 $root/var/spool/relaybox; chmod 755 $root/var/spool/relaybox", "uid 65534 may not write there"),
    "authorities": (SECURE, True, "mount -t tmpfs none $root/etc/ssl", "secure trusts nobody without an authority, and mail would wait: set "
                    "smtp_tls_CAfile, e.g. to /etc/ssl/certs/ca-certificates.crt (in a container, mount it there)"),
    "secret": ({"RELAYHOST_USERNAME": "u", "RELAYHOST_PASSWORD_FILE": "/run/secrets/password"}, True, "",
               "RELAYHOST_PASSWORD_FILE: cannot read /run/secrets/password: No such file or directory"),
}


@pytest.mark.parametrize("what", MISSING)
def test_what_cannot_be_done_without_is_named(image, what):
    env, volume, more, line = MISSING[what]
    with Container(image, dict(env, RELAYHOST="[127.0.0.1]:1"), volume=volume, more=more) as c:
        done = c.run(*c.command)
        assert done.returncode and line in done.stderr, done.stderr


def test_authorities_are_the_systems(image):
    """With RELAYHOST_TLS_LEVEL=secure and the bundle at its place nothing else has to be said."""
    with Container(image, SECURE) as c:
        folder = os.path.dirname(c.root)
        sink = c.sink(tls=(os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")))
        c.env["RELAYHOST"] = "[127.0.0.1]:%d" % sink.port
        c.start()
        c.send()
        sink.wait(1)
        assert sink.secured
        sink.close()


def blocks_of_readme():
    with open(os.path.join(ROOT, "README.md")) as f:
        return re.findall(r"^```\n(.*?)^```", f.read(), re.M | re.S)


def test_the_first_mail_of_the_readme(image):
    """The sidecar of README in ten lines, and `mail` in it."""
    block = next(b for b in blocks_of_readme() if b.startswith("services:"))
    assert len(block.splitlines()) <= 10
    service = yaml.safe_load(block)["services"]["mail"]
    first = next(b for b in blocks_of_readme() if b.startswith("make image"))
    words = shlex.split(re.search(r"docker exec -i mail (mail .*)$", first, re.M)[1])
    more = "mount -t tmpfs none $root/etc/ssl; mkdir $root/run; mount -t tmpfs none $root/run; mkdir $root/run/secrets; " \
        "echo p$word > $root/run/secrets/smtp"
    with Container(image, service["environment"], more=more.replace("$word", "\\$w")) as c:
        sink = c.sink(users={"user@example.com": "p$w"})
        c.env["RELAYHOST"] = "[127.0.0.1]:%d" % sink.port
        c.start()
        sent = c.run(*words, stdin="hello\n")
        assert (sent.returncode, sent.stdout, sent.stderr) == (0, "", "")
        message, = sink.wait(1)
        assert (message.sender, message.rcpts, message.body) == ("me@example.com", ["you@example.net"], b"hello\r\n")
        assert "Mail queue is empty" in c.run("mailq").stdout
        sink.close()


def test_the_main_cf_of_the_readme_starts(image):
    main_cf = next(b for b in blocks_of_readme() if b.startswith("myhostname"))
    folder = os.path.join(os.path.dirname(image[1]), "etc")
    os.makedirs(folder, exist_ok=True)
    for name, text in (("main.cf", main_cf), ("sasl_passwd", "[smtp.provider.example]:587 user:password\n")):
        with open(os.path.join(folder, name), "w") as f:
            f.write(text)
    with Container(image, more="mkdir -p $root/etc/relaybox; mount --bind %s $root/etc/relaybox" % folder) as c:
        c.start()
        with c.network(), smtplib.SMTP("127.0.0.1", 2525, timeout=20) as s:
            assert s.ehlo()[1].startswith(b"relay.example.com")
        said = c.stop()
        assert "error" not in said, said


@pytest.mark.parametrize("zone, there, told", (("Asia/Tokyo", False, True), ("Asia/Tokyo", True, False), ("JST-9", False, False), ("UTC", False, False)))
def test_a_time_zone_without_its_data_is_told(image, zone, there, told):
    more = "mkdir -p $root/usr/share/zoneinfo 2>/dev/null; mount --bind /usr/share/zoneinfo $root/usr/share/zoneinfo" if there else ""
    with Container(image, {"TZ": zone, "RELAYHOST": "[127.0.0.1]:1"}, more=more) as c:
        c.start()
        said = c.stop()
        line = "TZ: no time zone is called %s here, so times are UTC: mount /usr/share/zoneinfo, or say it as in JST-9" % zone
        assert (line in said) == told, said
