#!/usr/bin/python3
"""mutants - plant one small fault at a time and see which the tests do not notice.

  make mutants                                  COUNT (200) faults over all rooms, and the hand-made ones of tests/mutants/audit
  make mutants ROOMS="base msg" COUNT=50        of these rooms; "core/net/dns.c" is a room, too
  make mutants ROOMS=audit                      only the hand-made ones
  SEED=N  another draw   SECONDS=N  stop after so long   JOBS=N  at once   FAULT=no  unit tests and dialogues only
  E2E=yes  what the fault tests do not notice goes through the end-to-end tests of its room, too; the table counts them apart

The unit tests run in a coverage build first: only those that reach a line are asked about a fault in it, with the sanitizers as in make
check, those of its room first; the first case that fails ends it. What no unit test notices is linked into relaybox and goes through the fault tests of its room
(FAULT below). A fault that leaves the object code as it was is none. What is known to change nothing that can be seen stands in
tests/mutants/equivalent, with the reason. Everything is kept in BUILD/mutants: it can be stopped and goes on where it was, and what
survived is only asked by tests that are new or changed. It is no part of make check; tests/lint/mutants is.
"""
import concurrent.futures
import fnmatch
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import plant  # noqa: E402

os.chdir(TOP)
# make hands its variables over; the builds that we start are none of its jobs
ASK = {name: os.environ.get(name, "") for name in ("ROOMS", "COUNT", "SEED", "SECONDS", "JOBS", "FAULT", "E2E")}
for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "SAN", "COV", "FUZZ"):
    os.environ.pop(name, None)
OUT = os.path.abspath(os.path.join(os.environ.get("BUILD") or "build", "mutants"))
# as make has it: the flags of the libraries have it in them, and other flags are another build
DEPS = os.environ.get("DEPS") or "build/deps"
LEAST = 5           # faults of a room, however small it is
TEST_SECONDS = 20   # of one test program, or three times what it takes
BINARY_SECONDS = 100  # of one file of tests of the binary, or four times what it takes without a fault
# What stands in for parts of libc is linked into the programs of a release only: these are asked there.
LIBC = ["test_libc_stdio", "test_base_text", "test_map_map"]
# What runs in children of a unit test that may not write files any more, so that coverage does not see it: asked all the same.
UNSEEN = {
    "test_deliver_local": ["core/deliver/local/helper*.c", "core/deliver/local/mailbox*.c", "core/deliver/local/maildir.c"],
    "test_daemon_identity": ["core/daemon/privilege.c"],
    "test_takeover": ["core/daemon/sandbox*.c", "core/deliver/local/helper*.c", "core/base/seccomp.c", "core/base/landlock.c"],
}
# The fault tests that may notice what happens in a room, fastest first; every other room has the first row.
FAULT = {
    "": ["tests/fault/test_format.py", "tests/fault/test_rights.py"],
    "store": ["tests/fault/test_format.py", "tests/fault/test_calls.py::test_killed_at_every_call_it_keeps_its_promise",
              "tests/fault/test_errors.py", "tests/fault/test_power.py::test_power_cuts_lose_nothing"],
    "deliver": ["tests/fault/test_maildir.py", "tests/fault/test_rights.py", "tests/fault/test_format.py"],
    "base": ["tests/fault/test_format.py", "tests/fault/test_maildir.py", "tests/fault/test_disk.py"],
}

# The same of the end-to-end tests; the first row comes last everywhere.
E2E = {
    "": ["tests/e2e/test_relay.py", "tests/e2e/test_daemon.py", "tests/e2e/test_applets.py"],
    "access": ["tests/e2e/test_access.py", "tests/e2e/test_verify.py"],
    "conf": ["tests/e2e/test_configs.py", "tests/e2e/test_settings.py"],
    "daemon": ["tests/e2e/test_daemon.py", "tests/e2e/test_drops.py", "tests/e2e/test_privilege.py", "tests/e2e/test_limits.py", "tests/e2e/test_settings.py"],
    "deliver": ["tests/e2e/test_relay.py", "tests/e2e/test_mail_server.py", "tests/e2e/test_tls.py", "tests/e2e/test_spool.py"],
    "map": ["tests/e2e/test_mapgen.py"],
    "probe": ["tests/e2e/test_mxcheck_modes.py", "tests/e2e/scenarios/test_mxcheck.py"],
    "store": ["tests/e2e/test_spool.py", "tests/e2e/test_kill.py"],
    "submit": ["tests/e2e/test_direct.py", "tests/e2e/test_sendmail.py", "tests/e2e/test_mail.py"],
    "view": ["tests/e2e/test_relayctl.py"],
}


def room_of(file):
    parts = file.split("/")
    return parts[1] if parts[0] == "core" else parts[0]


def sources():
    found = subprocess.run(["git", "ls-files", "core/*.c"], capture_output=True, text=True, check=True).stdout.split()
    return [f for f in found if not f.startswith("core/deps/") and os.path.exists(f)]


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def digest(*texts):
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


# --- the lists ------------------------------------------------------------------------------------------------------------

def records(path):
    """Blocks of "key: value" lines, one after the other."""
    found = []
    for block in re.split(r"\n\s*\n", re.sub(r"(?m)^#.*\n?", "", read(path))):
        rows = dict(line.split(": ", 1) for line in block.strip().split("\n") if ": " in line)
        if rows:
            found.append(rows)
    return found


def by_hand(row, find, put):
    """The fault where the pattern is first found in the row's files; None: nowhere."""
    for file in sorted(f for f in sources() if fnmatch.fnmatch(f, row["file"])):
        text = read(file)
        m = re.search(find, text, re.M)
        if m:
            n = text.count("\n", 0, m.start()) + 1
            changed = (text[:m.start()] + m.expand(put) + text[m.end():]).split("\n")
            return plant.Fault(file, n, "audit: " + row["name"], text.split("\n")[n - 1].strip(), changed[n - 1])
    return None


def audit():
    """The hand-made faults: ((fault, tests), the names whose pattern is nowhere)."""
    found, lost = [], []
    for row in records(os.path.join(HERE, "audit")):
        ways = [(row["find" + n], row.get("put" + n, "")) for n in ("", " 2", " 3") if "find" + n in row]
        fault = next((f for find, put in ways for f in [by_hand(row, find, put)] if f), None)
        if fault:
            found.append((fault, row.get("tests", "").split()))
        else:
            lost.append(row["name"])
    return found, lost


def equivalent():
    """(file pattern, line before, line after) of what changes nothing."""
    return {(r["file"], r["before"], r["after"]) for r in records(os.path.join(HERE, "equivalent"))}


def is_equivalent(fault, known):
    return any(fnmatch.fnmatch(fault.file, file) and fault.before == before and fault.after.strip() == after.strip()
               for file, before, after in known)


# --- building -------------------------------------------------------------------------------------------------------------

def make(*words):
    done = subprocess.run(["make", "--no-print-directory", "BUILD=" + OUT, "DEPS=" + DEPS, *words], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit("mutants: the tree does not build:\n" + done.stdout[-3000:])
    return done.stdout


class Variant:
    """One way of building: its commands, and where its objects are."""

    def __init__(self, *words):
        how = dict(line.split("=", 1) for line in make("how", *words).split("\n") if "=" in line)
        self.compile, self.link, self.libs = (shlex.split(how[k]) for k in ("compile", "link", "libs"))
        self.objects, self.tests, self.main = how["objects"], how["tests"], how["main"].split()
        self.core = os.path.join(os.path.dirname(self.objects), "libcore.a")
        # most of the time goes into linking one test after the other: gold takes a third of it, but cannot make what a release is
        if words and shutil.which("ld.gold"):
            self.link.append("-fuse-ld=gold")

    def build_object(self, source, out):
        return subprocess.run(self.compile + ["-w", "-c", "-o", out, source], capture_output=True, timeout=120).returncode == 0

    def build_program(self, objects, out):
        done = subprocess.run(self.link + ["-Wl,-S", "-o", out] + objects + ["-Wl,--start-group", self.core] + self.libs + ["-Wl,--end-group"],
                              capture_output=True, text=True, timeout=120)
        # what compiles is linked: a program that is not there would be a test that notices nothing
        if done.returncode:
            raise RuntimeError("%s is not linked: %s" % (out, done.stderr[-1000:]))


# --- who reaches what -----------------------------------------------------------------------------------------------------

class Reach:
    """Which unit tests reach a line, and how long each takes; measured once for each test program that changed."""

    def __init__(self, variant):
        self.variant, self.path = variant, os.path.join(OUT, "reach.json")
        self.tests = json.load(open(self.path)) if os.path.exists(self.path) else {}

    def measure(self):
        names = sorted(n for n in os.listdir(self.variant.tests) if re.fullmatch(r"test_\w+", n))
        names = [n for n in names if os.path.exists("tests/unit/%s.c" % n)]
        for name in names:
            path = os.path.join(self.variant.tests, name)
            stamp = hashlib.sha256(open(path, "rb").read()).hexdigest()[:16]
            if self.tests.get(name, {}).get("stamp") != stamp:
                print("mutants: what %s reaches" % name, flush=True)
                self.tests[name] = dict(self.run(path, os.path.join(OUT, "gcov", name)), stamp=stamp)
                with open(self.path + ".new", "w") as f:
                    json.dump(self.tests, f)
                os.rename(self.path + ".new", self.path)
        self.tests = {n: t for n, t in self.tests.items() if n in names}

    def run(self, path, folder):
        subprocess.run(["rm", "-rf", folder], check=True)
        began = time.monotonic()
        done = subprocess.run([path], env=dict(os.environ, GCOV_PREFIX=folder), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              stdin=subprocess.DEVNULL, text=True, timeout=400)
        if done.returncode:
            print("mutants: %s fails without a fault, and is left out: %s" % (path, done.stdout[-300:]), flush=True)
            return {"seconds": 0, "lines": {}, "broken": True}
        seconds, lines = time.monotonic() - began, {}
        data = [os.path.join(d, f) for d, _, files in os.walk(folder) for f in files if f.endswith(".gcda")]
        for file in data:
            real = file[len(folder):-5] + ".gcno"
            if os.path.exists(real) and not os.path.exists(file[:-5] + ".gcno"):
                os.symlink(real, file[:-5] + ".gcno")
        for i in range(0, len(data), 40):
            text = subprocess.run(["gcov", "--json-format", "--stdout"] + data[i:i + 40], capture_output=True, text=True).stdout
            for document in text.split("\n"):
                for entry in json.loads(document)["files"] if document.startswith("{") else []:
                    name = os.path.relpath(entry["file"], TOP) if entry["file"].startswith("/") else os.path.normpath(entry["file"])
                    if name.startswith("core/"):
                        rows = lines.setdefault(name, {})
                        for row in entry["lines"]:
                            n = str(row["line_number"])
                            rows[n] = rows.get(n, 0) or int(row["count"] > 0)
        subprocess.run(["rm", "-rf", folder], check=True)
        return {"seconds": seconds, "lines": lines}

    def of(self, fault):
        """The tests to ask about it, most likely first. A line that counts nothing belongs to the statement above it."""
        if room_of(fault.file) == "libc":
            return [n for n in LIBC if n in self.tests]
        found = []
        for name, test in self.tests.items():
            rows = test["lines"].get(fault.file)
            unseen = any(fnmatch.fnmatch(fault.file, f) for f in UNSEEN.get(name, ()))
            if not rows and not unseen:
                continue
            known = unseen or next((rows[str(n)] for n in range(fault.line, fault.line - 8, -1) if str(n) in rows), None)
            if known or known is None:
                own = name.startswith("test_" + room_of(fault.file))
                found.append((not own, test["seconds"], name))
        return [name for _, _, name in sorted(found)]


# --- one fault ------------------------------------------------------------------------------------------------------------

def run_limited(command, seconds, **kw):
    """Its exit status; None when it took too long. What it started goes with it."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, **kw)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


class Bench:
    """Where faults are planted and tried."""

    def __init__(self, unit, release, reach):
        self.unit, self.release, self.reach = unit, release, reach
        self.clean = {}     # test file -> seconds without a fault; None: it fails then, too

    def try_one(self, fault, stages, passed):
        """(result, by which stage, what decided it); passed: what has been asked and saw nothing, by name, is filled in"""
        folder = os.path.join(OUT, "work", digest(fault.file, str(fault.line), fault.after))
        os.makedirs(folder, exist_ok=True)
        try:
            return self.judge(fault, stages, passed, folder)
        except subprocess.TimeoutExpired:
            return "invalid", "", "the compiler takes too long"
        finally:
            subprocess.run(["rm", "-rf", folder])

    def judge(self, fault, stages, passed, folder):
        source, made = os.path.join(folder, os.path.basename(fault.file)), os.path.join(folder, "fault.o")
        lines = read(fault.file).split("\n")
        lines[fault.line - 1] = fault.after
        with open(source, "w", encoding="utf-8") as f:
            f.write("\n".join(lines))
        variant = self.release if room_of(fault.file) == "libc" else self.unit
        if not variant.build_object(source, made):
            return "invalid", "", "does not compile"
        for name in self.reach.of(fault):
            stamp = self.reach.tests[name]["stamp"]
            if passed.get(name) == stamp:
                continue
            if not self.passes(variant, name, made, folder):
                return "killed", "unit", name
            passed[name] = stamp
        if "code" not in passed and self.same_code(fault, source, folder):
            return "equivalent", "", "the same code"
        passed["code"] = "differs"
        killer = self.ask_binary(fault, source, stages, passed, folder)
        if killer:
            return "killed", *killer
        return "survived", "", "" if self.reach.of(fault) else "no unit test comes here"

    def passes(self, variant, name, made, folder):
        program = os.path.join(folder, name)
        objects = [os.path.join(variant.objects, "tests/unit", o + ".o") for o in (name, "t")]
        variant.build_program(objects + [made], program)
        seconds = max(TEST_SECONDS, 6 * self.reach.tests[name]["seconds"])
        status = run_limited([program], seconds, env=dict(os.environ, RELAYBOX_FIRST="1"))
        os.remove(program)
        return status == 0

    def same_code(self, fault, source, folder):
        """Does the compiler make the same of both?"""
        codes = []
        for n, text in enumerate((fault.file, source)):
            out = os.path.join(folder, "code%d.o" % n)
            # one name for both, so that nothing but the code can differ
            name = os.path.join(folder, "same.c")
            with open(name, "w", encoding="utf-8") as f:
                f.write(read(text))
            if not self.release.build_object(name, out):
                return False
            subprocess.run(["objcopy", "--strip-debug", out], check=True)
            codes.append(open(out, "rb").read())
        return codes[0] == codes[1]

    def ask_binary(self, fault, source, stages, passed, folder):
        """The first stage and test that notices it, in relaybox itself."""
        made, program = os.path.join(folder, "release.o"), os.path.join(folder, "relaybox")
        env = dict(os.environ, RELAYBOX=program, RELAYBOX_PASS="release", RELAYBOX_CALLS="6", RELAYBOX_CUTS="4", PYTHONDONTWRITEBYTECODE="1",
                   RELAYBOX_TESTS=self.unit.tests)
        for stage, tests in stages:
            for test in tests:
                file = test.split("::")[0]
                stamp = digest(read(file)) if os.path.exists(file) else ""
                if not stamp or passed.get(test) == stamp:
                    continue
                if not os.path.exists(program):
                    if not self.release.build_object(source, made):
                        return None
                    self.release.build_program(self.release.main + [made], program)
                    subprocess.run(["strip", "-s", program])
                    # daemons under test become somebody else
                    os.chmod(folder, 0o755)
                # twice, since the machine is busy: once may be bad luck
                if self.fails(test, env) and self.fails(test, env):
                    return stage, test
                passed[test] = stamp
        return None

    def fails(self, test, env):
        command = ["/usr/bin/python3", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test]
        if test not in self.clean:
            began = time.monotonic()
            good = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                                  env=dict(env, RELAYBOX=os.path.join(OUT, "relaybox"))).returncode in (0, 5)
            self.clean[test] = time.monotonic() - began if good else None
            if not good:
                print("mutants: %s fails without a fault, and is left out" % test, flush=True)
        if self.clean[test] is None:
            return False
        return run_limited(command, max(BINARY_SECONDS, 4 * self.clean[test]), env=env) not in (0, 5)


# --- the run --------------------------------------------------------------------------------------------------------------

def choose(rooms, count, seed):
    """So many faults of these rooms: each room has its share by size, and LEAST of it."""
    by_room = {}
    for file in sources():
        room = room_of(file)
        if not rooms or room in rooms or file in rooms or os.path.dirname(file)[5:] in rooms:
            by_room.setdefault(room, []).extend(plant.of_text(file, read(file)))
    total = sum(len(f) for f in by_room.values()) or 1
    chosen = []
    for room in sorted(by_room):
        chosen += plant.draw(by_room[room], max(LEAST, round(count * len(by_room[room]) / total)), "%s %s" % (seed, room))
    return chosen


def stages_of(fault, tests):
    """What to ask when no unit test notices it: [(stage, test files)]"""
    room, stages = room_of(fault.file), []
    if ASK["FAULT"] != "no":
        stages.append(("fault", [t for t in tests if "/fault/" in t] or FAULT.get(room, FAULT[""])))
    if ASK["E2E"] == "yes":
        own = [t for t in tests if "/e2e/" in t]
        stages.append(("e2e", own or list(dict.fromkeys(E2E.get(room, []) + E2E[""]))))
    return stages


class Results:
    """What is known, kept by what the fault is."""

    def __init__(self):
        self.path, self.rows = os.path.join(OUT, "results.jsonl"), {}
        if os.path.exists(self.path):
            for line in open(self.path):
                row = json.loads(line)
                self.rows[row["key"]] = row

    def find(self, fault):
        key = digest(fault.file, read(fault.file), str(fault.line), fault.after)
        return self.rows.get(key, {"key": key, "result": "", "passed": {}})

    def add(self, row, result, by, why):
        row.update(result=result, by=by, why=why)
        self.rows[row["key"]] = row
        with open(self.path, "a") as f:
            f.write(json.dumps(row) + "\n")


def table(done):
    """Rooms, then what survived."""
    rooms = sorted({room_of(f.file) for f, _ in done})
    print("\n%-10s %8s %8s %8s %8s %8s %10s" % ("room", "planted", "unit", "fault", "e2e", "survived", "equivalent"))
    for room in rooms + ["all"]:
        rows = [r for f, r in done if room in (room_of(f.file), "all")]
        by = {k: sum(r["result"] == "killed" and r["by"] == k for r in rows) for k in ("unit", "fault", "e2e")}
        survived, equal = (sum(r["result"] == k for r in rows) for k in ("survived", "equivalent"))
        killed = sum(by.values())
        real = killed + survived
        print("%-10s %8d %8d %8d %8d %8d %10d   %3d %%, without e2e %3d %%" % (
            room, real, by["unit"], by["fault"], by["e2e"], survived, equal, 100 * killed // real if real else 100,
            100 * (killed - by["e2e"]) // real if real else 100))
    for f, r in sorted((f, r) for f, r in done if r["result"] == "survived"):
        print("\nsurvived: %s:%d (%s)%s\n  - %s\n  + %s" % (f.file, f.line, f.kind, ", " + r["why"] if r["why"] else "", f.before, f.after.strip()))


def main():
    rooms = ASK["ROOMS"].split()
    count, seed = int(ASK["COUNT"] or 200), ASK["SEED"] or "1"
    end = time.monotonic() + float(ASK["SECONDS"] or 1e9)
    hand, lost = audit()
    for name in lost:
        print("mutants: audit: %s: its pattern is nowhere" % name)
    drawn = [] if rooms == ["audit"] else choose(rooms, count, seed)
    faults = [(f, t) for f, t in hand if not rooms or "audit" in rooms or room_of(f.file) in rooms] + [(f, []) for f in drawn]
    os.makedirs(OUT, exist_ok=True)
    print("mutants: building for coverage, with sanitizers, and for real", flush=True)
    make("COV=1", "unit-build")
    make("SAN=1", "unit-build")
    make("unit-build")
    if ASK["FAULT"] != "no" or ASK["E2E"] == "yes":
        make("all")
    cover, unit, release = Variant("COV=1"), Variant("SAN=1"), Variant()
    reach = Reach(cover)
    reach.measure()
    bench, results, known, done = Bench(unit, release, reach), Results(), equivalent(), []

    def one(fault, tests):
        row, began = results.find(fault), time.monotonic()
        if is_equivalent(fault, known):
            return dict(row, result="equivalent", by="", why="in the list"), 0
        if row["result"] not in ("", "survived") or began > end:
            return row, 0
        before = dict(row["passed"])
        result = bench.try_one(fault, stages_of(fault, tests), row["passed"])
        if result[0] != row["result"] or row["passed"] != before:
            results.add(row, *result)
        return row, time.monotonic() - began

    with concurrent.futures.ThreadPoolExecutor(int(ASK["JOBS"] or 1)) as pool:
        for n, ((fault, _), (row, seconds)) in enumerate(zip(faults, pool.map(lambda f: one(*f), faults)), 1):
            if not row["result"]:
                continue
            done.append((fault, row))
            if seconds:
                print("%d/%d %s %s:%d %s (%s, %.1f s)" % (n, len(faults), row["result"], fault.file, fault.line, fault.kind, row["why"], seconds), flush=True)
    table(done)
    if len(done) < len(faults):
        print("\n%d of %d were not tried: the time was over; start it again to go on" % (len(faults) - len(done), len(faults)))


if __name__ == "__main__":
    main()
