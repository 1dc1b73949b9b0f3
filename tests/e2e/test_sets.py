"""Sets: configurations as guides have them, whole. Each starts, `relayd -t` says exactly what it has to, and mail takes the right way: who
gets it and from whom, by TLS or not, with a login or without, and what is refused.

sets/*.rows, a line that begins with # is a comment:

    set NAME                a name for the lines until the next one, which are main.cf, but for these and what is indented below them:
    file PATH               its text
    master                  lines of master.cf
    env NAME=VALUE          a variable of the environment
    says                    lines of relayd -t, without its last, which says that the configuration is good
    mail FROM > TO, ...     mail by SMTP, with the lines that must come of it: what the client hears unless all is taken, what servers got, and
                            what the log says of other recipients. Behind |: port= client= login= tls header=Name:_value
    send FROM > TO, ...     the same by sendmail; FROM may be empty

A server got HOST:PORT tls|clear [login] <sender> -> <recipients>; From: ... DIR is the set's folder, which has cert.pem and key.pem. All that
is made of a set now is printed by `/usr/bin/python3 tests/e2e/test_sets.py NAME`.
"""
import glob
import json
import os
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "differential")]

import world  # noqa: E402

PROGRAM = os.path.join(HERE, "sets", "place.py")


def step_of(verb, rest):
    rest, _, options = rest.partition(" | ")
    sender, _, rcpts = rest.partition(">")
    words = [w.partition("=")[::2] for w in options.split()]
    return {"verb": verb, "sender": sender.strip(), "rcpts": [r.strip() for r in rcpts.split(",")], "want": [], "name": rest,
            "options": {k: v for k, v in words if k != "header"}, "header": [v.replace("_", " ") for k, v in words if k == "header"]}


def sets_of(path):
    made, one, lines = [], None, None
    with open(path, encoding="utf-8") as f:
        for line in f.read().splitlines():
            word, _, rest = line.partition(" ")
            if line.startswith("#"):
                continue
            if line.startswith("\t") and lines is not None:
                lines.append(line[1:])
            elif word == "set":
                one = {"name": rest, "main": "", "master": [], "files": {}, "env": {}, "says": [], "steps": []}
                made.append(one)
                lines = None
            elif word == "file":
                lines = one["files"].setdefault(rest, [])
            elif line in ("master", "says"):
                lines = one[line]
            elif word == "env":
                name, _, value = rest.partition("=")
                one["env"][name] = value
            elif word in ("mail", "send"):
                one["steps"].append(step_of(word, rest))
                lines = one["steps"][-1]["want"]
            elif line:
                one["main"] += line + "\n"
                lines = None
    for one in made:
        one["master"] = "".join(line + "\n" for line in one["master"])
        one["files"] = {k: "".join(line + "\n" for line in v) for k, v in one["files"].items()}
    return made


def all_sets():
    return [one for path in sorted(glob.glob(os.path.join(HERE, "sets", "*.rows"))) for one in sets_of(path)]


def results(*names):
    done = subprocess.run(world.command(PROGRAM, *names), capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def made():
    if world.unable():
        pytest.skip(world.unable())
    return results()


@pytest.mark.parametrize("one", all_sets(), ids=lambda one: one["name"])
def test_mail_goes_as_the_set_has_it(made, one):
    got = made[one["name"]]
    assert "error" not in got, got["error"]
    assert sorted(got["says"]) == sorted(one["says"] + ["DIR: the configuration is good"])
    assert [(s["name"], sorted(r)) for s, r in zip(one["steps"], got["rows"])] == [(s["name"], sorted(s["want"])) for s in one["steps"]]
    assert len(got["rows"]) == len(one["steps"]) > 0


def test_there_are_enough():
    names = [one["name"] for one in all_sets()]
    assert len(names) >= 40 and len(set(names)) == len(names)


if __name__ == "__main__":
    for one, (name, got) in zip([s for s in all_sets() if not sys.argv[1:] or s["name"] in sys.argv[1:]], results(*sys.argv[1:]).items()):
        print("set %s\nsays" % name + "".join("\n\t" + line for line in got["says"]) + ("\n%s" % got.get("error", "")))
        for step, lines in zip(one["steps"], got["rows"]):
            print("%s %s" % (step["verb"], step["name"]) + "".join("\n\t" + line for line in lines))
