"""dma - the DragonFly Mail Agent beside our sendmail. Its package conflicts with Postfix's, so it is not installed but
unpacked into build/bench/dma, and its fixed paths are laid over /etc and /var/spool in the measurement's own mounts."""
import os
import shutil
import subprocess

import load
import tools
from mta import RUN
from place import MS_BIND, ROOT, Unable, mount

UNPACKED = os.path.join(tools.DIR, "dma")


def fetch():
    """dma's program, from the system or unpacked from its package; not to be called in a place without network."""
    for program in "/usr/sbin/dma", UNPACKED + "/usr/sbin/dma":
        if os.path.exists(program):
            return program
    if not shutil.which("apt-get"):
        raise Unable("dma is not installed")
    folder = os.path.join(tools.DIR, "deb")
    os.makedirs(folder, exist_ok=True)
    subprocess.run(["apt-get", "download", "dma"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    packages = [name for name in os.listdir(folder) if name.startswith("dma_")]
    if not packages:
        raise Unable("dma's package cannot be had")
    subprocess.run(["dpkg", "-x", os.path.join(folder, packages[0]), UNPACKED], check=True)
    return UNPACKED + "/usr/sbin/dma"


def submit(runs, program):
    """`dma -t` into its queue, without delivery: the part that is durable when it returns."""
    if not ROOT:
        raise Unable("dma's fixed paths need mounts of our own, so root")
    place = os.path.join(RUN, "dma")
    shutil.rmtree(place, ignore_errors=True)
    for name in "upper", "work", "spool/dma":
        os.makedirs(os.path.join(place, name))
    try:
        mount("overlay", "/etc", "overlay", 0, "lowerdir=/etc,upperdir=%s/upper,workdir=%s/work" % (place, place))
    except OSError as e:
        raise Unable("dma: no overlay over /etc: %s" % e)
    mount(place + "/spool", "/var/spool", None, MS_BIND)
    os.makedirs("/etc/dma", exist_ok=True)
    shutil.chown("/var/spool/dma", "root", "mail")
    os.chmod("/var/spool/dma", 0o2770)
    with open("/etc/dma/dma.conf", "w") as f:
        f.write("SMARTHOST 127.0.0.1\nPORT %d\nMAILNAME bench.example.test\nDEFER\n" % load.SINK)
    message = os.path.join(place, "message")
    load.write_message(message)
    command = [program, "-t", "-f", "bench@example.test"]
    tools.repeat(5, message, *command)
    result = tools.repeat(runs, message, *command)
    if len(os.listdir("/var/spool/dma")) < runs:
        raise Unable("dma did not queue")
    return {"ms": result["wall_us"]["p50"] / 1e3, "cpu_ms": result["cpu_ms"], "rss_mib": result["rss_kib"] / 1024}
