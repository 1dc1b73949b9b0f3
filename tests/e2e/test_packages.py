"""What docs/examples has, judged by those who read it: a Debian package that is built, installed in place of another mail system and
removed again, in a Debian of its own; units, tables of users, rotation, and files of containers' engines."""
import glob
import json
import os
import re
import shutil
import subprocess

import pytest
import yaml

from lab import RELAYBOX, SANITIZER, ROOT, SLOW, Relay

EXAMPLES = os.path.join(ROOT, "docs/examples")
SCRIPTS = ["image/build", "openrc/relaybox", "runit/run", "alpine/APKBUILD", "alpine/relaybox.pre-install", "debian/relaybox.postinst",
           "debian/relaybox.prerm", "debian/relaybox.postrm"]
# in a Debian of its own: another mail system first, what is there is listed, the package put in its place, used, and taken out again
CHROOT = r"""
export DEBIAN_FRONTEND=noninteractive LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
list() { find /etc /usr /var/lib -xdev | sort > /root/$1; }
say() { echo "== $*"; }
status() { dpkg-query -W -f '${Package}=${db:Status-Status} ' "$@"; }
apt-get install -y --no-install-recommends /root/$1/*.deb < /dev/null > /root/other 2>&1 || { cat /root/other; exit 1; }
list before
say install
apt-get install -y --no-install-recommends /root/relaybox.deb < /dev/null || exit 1
say status $(status relaybox postfix exim4-daemon-light bsd-mailx)
apt-get check || exit 1
/usr/sbin/relayd -t || exit 1
/usr/sbin/relayd -d -o maillog_file=/var/log/mail.log || exit 1
# cron runs it at once, and sends what it says
echo '@reboot echo the output' | crontab -
cron
echo by hand | mail -s hand root
n=0
while [ "$(grep -cE '^(the output|by hand)$' /var/mail/root)" != 2 ] && [ $((n += 1)) -lt 300 ]; do sleep 0.1; done
say mail
cat /var/mail/root || cat /var/log/mail.log
say queue $(mailq)
say owner $(stat -c %U /var/spool/relaybox)
postfix stop
say remove
if [ "$2" = back ]; then
	apt-get install -y --no-install-recommends /root/$1/*.deb < /dev/null || exit 1
else
	apt-get remove -y relaybox < /dev/null || exit 1
fi
say removed $(status relaybox postfix exim4-daemon-light bsd-mailx)
say kept $(ls /etc/relaybox) $(ls -d /var/spool/relaybox)
dpkg --purge relaybox || exit 1
say users $(getent passwd relaybox)
list after
say new
comm -13 /root/before /root/after
say end
"""
# what the system writes down of it, and what others need: addresses of people, and this host's name
OURS = r"/var/lib/(dpkg|apt|systemd|ucf)\b|/etc/(aliases|mailname|(passwd|group|shadow|gshadow|subuid|subgid)-)$"


def built(folder):
    """The .deb of this tree; what was compiled already is not compiled again."""
    tree = os.path.join(folder, "relaybox")
    files = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True).stdout
    os.makedirs(tree)
    packed = subprocess.run(["tar", "cf", "-", "--ignore-failed-read", "--null", "-T", "-"], input=files, cwd=ROOT, capture_output=True, check=True)
    subprocess.run(["tar", "xf", "-"], input=packed.stdout, cwd=tree, check=True)
    shutil.copytree(os.path.join(tree, "docs/examples/debian"), os.path.join(tree, "debian"))
    made = os.path.dirname(RELAYBOX)
    os.makedirs(os.path.join(tree, "build/deps"))
    for name in ["release-gcc"] + ["deps/" + n for n in ("src", "include", "kernel", "release-gcc") if os.path.exists(os.path.join(made, "deps", n))]:
        subprocess.run(["cp", "-a", os.path.join(made, name), os.path.join(tree, "build", name)], check=True)
    done = subprocess.run(["dpkg-buildpackage", "-b", "-us", "-uc", "-d"], cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    package, = glob.glob(os.path.join(folder, "relaybox_*.deb"))
    return package


def part(said, name):
    return re.search(r"^== %s ?(.*?)^== " % name, said, re.M | re.S)[1].strip()


@pytest.mark.long
@pytest.mark.skipif(SLOW > 1 or os.getuid() != 0 or not shutil.which("mmdebstrap"), reason="needs root, mmdebstrap, and a static binary")
def test_the_debian_package_installs_works_and_goes(tmp_path):
    """In place of Debian's own two; the first of them is put back."""
    package = built(str(tmp_path))
    root = os.path.join(os.path.dirname(RELAYBOX), "debian/root.tar")
    subprocess.run([os.path.join(ROOT, "tests/e2e/debian_root"), root], check=True)
    (tmp_path / "chroot.sh").write_text(CHROOT)
    (tmp_path / "root").mkdir()
    for other, end in (("exim4", "back"), ("postfix", "gone")):
        outside = r"""set -e
        mount -t tmpfs none %(dir)s/root; tar -xpf %(tar)s -C %(dir)s/root
        ip link set lo up; hostname lab; echo 127.0.1.1 lab.example.com lab > %(dir)s/root/etc/hosts
        mount -t proc none %(dir)s/root/proc; mount --rbind /dev %(dir)s/root/dev
        printf '#!/bin/sh\nexit 101\n' > %(dir)s/root/usr/sbin/policy-rc.d; chmod 755 %(dir)s/root/usr/sbin/policy-rc.d
        cp %(package)s %(dir)s/root/root/relaybox.deb; cp %(dir)s/chroot.sh %(dir)s/root/root/
        exec chroot %(dir)s/root sh /root/chroot.sh %(other)s %(end)s""" % {"dir": tmp_path, "package": package, "tar": root, "other": other, "end": end}
        done = subprocess.run(["unshare", "-m", "-n", "-u", "-p", "-f", "--kill-child", "--propagation", "private", "sh", "-c", outside],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
        judge(done.stdout, other, end)


def judge(said, other, end):
    """What the package did, by what CHROOT says of it."""
    assert "== end" in said, said[-5000:]
    name = {"exim4": "exim4-daemon-light"}.get(other, other)
    mailx = ["bsd-mailx=installed"] * (other == "exim4")
    status = part(said, "status").splitlines()[0].split()
    assert "relaybox=installed" in status and name + "=installed" not in status and set(mailx) <= set(status), said
    mail = part(said, "mail")
    assert "Subject: Cron <root@lab> echo the output" in mail and {"the output", "by hand"} <= set(mail.splitlines()), said[-5000:]
    assert "Mail queue is empty" in part(said, "queue") and part(said, "owner").startswith("relaybox")
    status = part(said, "removed").splitlines()[0].split()
    assert "relaybox=config-files" in status and (name + "=installed" in status) == (end == "back") and set(mailx) <= set(status), said
    assert part(said, "kept").split()[:2] == ["main.cf", "/var/spool/relaybox"]
    assert part(said, "users") == ""
    new = [n for n in part(said, "new").splitlines() if not re.match(OURS, n)]
    assert not new, new


def test_versions_agree():
    with open(os.path.join(ROOT, "config.mk")) as f:
        version = re.search(r"^VERSION = (\S+)", f.read(), re.M)[1]
    for name, pattern in (("debian/changelog", r"^relaybox \(([^)]*)\)"), ("alpine/APKBUILD", r"^pkgver=(.*)$"), ("kubernetes/kustomization.yaml", r'newTag: "(.*)"'),
                          ("nomad.hcl", r"relaybox:([0-9.]+)"), ("kubernetes/sidecar.yaml", r"relaybox:([0-9.]+)")):
        with open(os.path.join(EXAMPLES, name)) as f:
            assert re.search(pattern, f.read(), re.M)[1] == version, name


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_can_be_read(script):
    subprocess.run(["sh", "-n", os.path.join(EXAMPLES, script)], check=True)


def documents():
    for path in sorted(glob.glob(EXAMPLES + "/**/*.yaml", recursive=True)):
        with open(path) as f:
            for document in yaml.safe_load_all(f):
                yield os.path.basename(path), document


def containers(value):
    """Every mapping that has an image and an environment."""
    if isinstance(value, dict):
        if "relaybox" in str(value.get("image", "")):
            yield value
        for v in value.values():
            yield from containers(v)
    elif isinstance(value, list):
        for v in value:
            yield from containers(v)


def environments_of(hcl):
    block = re.search(r"^ *env \{\n(.*?)^ *\}", hcl, re.M | re.S)[1]
    return re.findall(r"^ *(\w+) *= \"(.*)\"$", block, re.M)


def environments():
    for name, document in documents():
        for c in containers(document):
            env = c.get("environment") or {e["name"]: e["value"] for e in c["env"]}
            yield name, c, env
    with open(EXAMPLES + "/nomad.hcl") as f:
        yield "nomad.hcl", None, dict(environments_of(f.read()))


def test_files_of_kubernetes_name_each_other():
    kinds = {d["kind"]: d for name, d in documents() if "kind" in d}
    assert {"Deployment", "StatefulSet", "Service", "NetworkPolicy", "PodDisruptionBudget", "Kustomization", "Namespace"} <= set(kinds)
    for resource in kinds["Kustomization"]["resources"]:
        assert os.path.exists(EXAMPLES + "/kubernetes/" + resource)
    labels = kinds["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
    for selector in (kinds["StatefulSet"]["spec"]["selector"]["matchLabels"], kinds["Service"]["spec"]["selector"],
                     kinds["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"], kinds["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]):
        assert selector == labels
    if shutil.which("kubectl"):
        subprocess.run(["kubectl", "kustomize", EXAMPLES + "/kubernetes"], check=True, stdout=subprocess.DEVNULL)


def seconds(text):
    return int(text.rstrip("s"))


class Image:
    """What docs/examples/image/Dockerfile says of it."""

    def __init__(self):
        with open(EXAMPLES + "/image/Dockerfile") as f:
            text = f.read()
        self.port = int(re.search(r"^EXPOSE (\d+)$", text, re.M)[1])
        self.spool = re.search(r"^VOLUME (\S+)$", text, re.M)[1]
        self.health = json.loads(re.search(r"^HEALTHCHECK .* CMD (\[.*\])$", text, re.M)[1])
        assert "POSTFIX_smtpd_listen=%d\n" % self.port in text


def test_what_kubernetes_runs_is_what_the_image_is():
    """Ports, probes, mounts, secrets and times, each where it is said again."""
    image, kinds = Image(), [d for _, d in documents() if "kind" in d]
    keys = {g["name"]: {v.split("=")[0] for v in g["literals"]} for d in kinds for g in d.get("secretGenerator", ())}
    relays = 0
    for d in kinds:
        pod = d["spec"]["template"]["spec"] if "template" in d.get("spec", {}) else {}
        volumes = {v["name"]: v for v in pod.get("volumes", [])}
        volumes.update({t["metadata"]["name"]: t for t in d.get("spec", {}).get("volumeClaimTemplates", [])})
        for c in containers(pod):
            env = {e["name"]: e["value"] for e in c["env"]}
            ports = {p["name"]: p["containerPort"] for p in c.get("ports", [])}
            mounts = {m["mountPath"]: volumes[m["name"]] for m in c["volumeMounts"]}
            assert image.spool in mounts
            assert ports in ({}, {"smtp": image.port, "http": int(env.get("POSTFIX_http_listen", 0))})
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                asked = c.get(probe, {})
                assert "exec" not in asked or asked["exec"]["command"] == image.health
                assert "httpGet" not in asked or (asked["httpGet"]["port"] == "http" and asked["httpGet"]["path"] in ("/healthz", "/readyz"))
            for name in (n for n in env if n.endswith("_FILE")):
                folder, key = os.path.split(env[name])
                assert key in keys[mounts[folder]["secret"]["secretName"]], name
            assert pod["terminationGracePeriodSeconds"] > seconds(env["POSTFIX_shutdown_timeout"]) + seconds(env.get("POSTFIX_shutdown_delay", "0s"))
            relays += 1
        for p in d.get("spec", {}).get("ports", []):
            assert p["targetPort"] in ("smtp", "http")
        for rule in d.get("spec", {}).get("ingress", []):
            assert {p["port"] for p in rule["ports"]} <= {image.port, 8080}
        for c in pod.get("containers", []):
            env = {e["name"]: e["value"] for e in c.get("env", [])}
            assert env.get("SMTP_PORT", str(image.port)) == str(image.port)
    assert relays == 2


def test_what_compose_and_nomad_run_is_what_the_image_is():
    image = Image()
    with open(os.path.join(ROOT, "README.md")) as f:
        blocks = [b for b in re.findall(r"^```\n(.*?)^```", f.read(), re.M | re.S) if b.startswith("services:")]
    with open(EXAMPLES + "/compose.yaml") as f:
        blocks.append(f.read())
    assert len(blocks) == 2
    for text in blocks:
        file = yaml.safe_load(text)
        mail = file["services"]["mail"]
        assert mail["image"] == "localhost/relaybox" and mail["volumes"] == ["mail:" + image.spool] and "mail" in file["volumes"]
        assert [v for k, v in mail["environment"].items() if k.endswith("_FILE")] == ["/run/secrets/" + s for s in mail["secrets"]]
        assert set(mail["secrets"]) == set(file["secrets"])
        app = file["services"].get("app", {}).get("environment")
        assert not app or (app["SMTP_HOST"] in file["services"] and app["SMTP_PORT"] == str(image.port))
    with open(EXAMPLES + "/nomad.hcl") as f:
        text = f.read()
    env = dict(environments_of(text))
    assert dict(re.findall(r'port "(\w+)" \{ to = (\d+) \}', text)) == {"smtp": str(image.port), "http": env["POSTFIX_http_listen"]}
    assert 'destination = "%s"' % env["RELAYHOST_PASSWORD_FILE"].lstrip("/") in text and 'destination = "%s"' % image.spool in text
    assert seconds(re.search(r'kill_timeout = "(\w+)"', text)[1]) > seconds(env["POSTFIX_shutdown_timeout"]) and 'path     = "/readyz"' in text


def test_the_examples_environments_are_good(tmp_path):
    """Every variable is one that counts, and the relay would start with them."""
    found = list(environments())
    assert len(found) == 4
    secret = tmp_path / "secret"
    secret.write_text("x\n")
    os.chmod(secret, 0o600)
    for name, container, env in found:
        env = {k: str(secret) if k.endswith("_FILE") else v for k, v in env.items()}
        done = subprocess.run([RELAYBOX, "relayd", "-c", str(tmp_path), "-t"], env=dict(SANITIZER, POSTFIX_alias_maps="inline:{}", **env), capture_output=True,
                              text=True)
        assert done.returncode == 0 and "unknown" not in done.stderr and "no effect" not in done.stderr, name + done.stderr


@pytest.mark.parametrize("unit,most", [("systemd", 18), ("debian", 29)])
def test_units_are_exposed_to_little(unit, most):
    """In tenths, as systemd counts; the package's begins as root, who delivers to users."""
    unit = os.path.join(EXAMPLES, unit, "relaybox.service")
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=%d" % most, "--no-pager", unit], capture_output=True, text=True)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze cannot judge a file")
    assert done.returncode == 0 and "Unknown" not in done.stderr, done.stdout[-300:] + done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, who makes users")
def test_users_and_folders_of_systemd(tmp_path):
    (tmp_path / "etc").mkdir()
    subprocess.run(["systemd-sysusers", "--root=%s" % tmp_path, EXAMPLES + "/systemd/relaybox.sysusers"], check=True, capture_output=True)
    subprocess.run(["systemd-tmpfiles", "--root=%s" % tmp_path, "--create", EXAMPLES + "/systemd/relaybox.tmpfiles"], check=True, capture_output=True)
    uid = int(re.search(r"^relaybox:[^:]*:(\d+):", (tmp_path / "etc/passwd").read_text(), re.M)[1])
    st = os.stat(tmp_path / "var/spool/relaybox")
    assert st.st_uid == uid and st.st_mode & 0o777 == 0o755


def test_rotation(tmp_path):
    """logrotate renames, relayctl lets relayd open the new one."""
    with Relay(tmp_path / "r", "mynetworks = 127.0.0.0/8\nlog_also =\n") as r:
        text = open(EXAMPLES + "/logrotate/relaybox").read()
        text = text.replace("/var/log/mail.log", r.path("log")).replace("/usr/sbin/relayctl reload", "%s relayctl -c %s reload" % (RELAYBOX, r.dir))
        (tmp_path / "rotate").write_text(text + "\n")
        os.chmod(tmp_path / "rotate", 0o644)
        os.chmod(r.dir, 0o755)
        subprocess.run(["logrotate", "-f", "-s", tmp_path / "state", tmp_path / "rotate"], check=True)
        assert os.path.exists(r.path("log.1"))
        r.wait_log("reload -- version")


@pytest.mark.skipif(SLOW > 1, reason="installs the static binary")
def test_make_install_has_a_page_for_every_name_and_leaves_nothing(tmp_path):
    def make(goal):
        subprocess.run(["make", "-s", goal, "DESTDIR=%s" % tmp_path, "PREFIX=/usr"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL,
                       env={k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")})
    make("install")
    names = subprocess.run([tmp_path / "usr/bin/relaybox", "--list"], capture_output=True, text=True, check=True).stdout.split() + ["relaybox"]
    for name in names:
        assert os.access(tmp_path / "usr/bin" / name, os.X_OK)
        page, = glob.glob("%s/usr/share/man/man[18]/%s.[18]" % (tmp_path, name))
        assert os.path.exists(page)
    make("uninstall")
    assert [f for _, _, files in os.walk(tmp_path) for f in files] == []
