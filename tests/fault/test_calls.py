"""Every file-system call of a relayd, one at a time: killed there, its power cut there.

at_call counts what relayd itself does below its queue while it accepts, delivers, bounces, expires, compacts, stops and starts
again (life.py). Here a sample of these calls is taken; RELAYBOX_CALLS says how many, and with as many as there are it is all of
them. What was struck is struck once more at another call of the start that follows. The cuts need root and loop devices.
"""
import os
import re
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from life import age, youth  # noqa: E402
from world import CALLS, World, can_trace, chosen, needs_disks, takes_all  # noqa: E402

pytestmark = can_trace


def kind_of(call, path):
    return call + " " + re.sub(r"[0-9A-F]{8,}", "N", path)


def strike_all(world, ways, what):
    """Every chosen call in a life of its own, in one of these ways (in all of them when all calls are taken)."""
    total = sum(len(c) for c in world.calls.values())
    struck, seen = [], {kind_of(*c) for part in world.calls.values() for c in part}
    assert total > 200, "that was no life: %d calls" % total
    for k, (part, at) in enumerate(chosen(world)):
        for way in ways if takes_all(world) else [ways[k % len(ways)]]:
            _, hit = world.life(part, way, at, 1 + k * 7 % len(world.calls[age]))
            if hit:
                struck.append(kind_of(*hit[1:]))
    print("%s: %d calls in a life, struck at %d, %d of %d kinds; acknowledged and lost 0, altered 0" % (
        what, total, len(struck), len(set(struck)), len(seen | set(struck))))
    # two lives are not alike to the last call: one may end before the call that is meant
    assert len(struck) >= 0.9 * min(CALLS, total)


def test_killed_at_every_call_it_keeps_its_promise(at_call, quick):
    with World(at_call, quick) as world:
        strike_all(world, [("-d", "kill"), ("-d", "kill", "-a", "-h")], "killed")


@needs_disks
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_power_cut_at_every_call_loses_nothing(at_call, quick, kind):
    with World(at_call, quick, kind) as world:
        strike_all(world, [("-d", "cut"), ("-d", "cut", "-a")], "power cut on " + kind)


@needs_disks
@pytest.mark.parametrize("lie, kind, part", [("fsync,fdatasync", "ext4", youth), ("fsync,fdatasync", "xfs", youth),
                                             ("fdatasync", "ext4", youth), ("fdatasync", "xfs", youth), ("fsyncdir", "ext4", age)])
def test_control_without_a_flush_mail_is_lost(at_call, quick, lie, kind, part):
    """The same cuts, on a relayd whose flushes do nothing: if nothing were lost, the tests above would prove nothing. The names that
    ext4 loses are those of segments that are used again; a new file's come with its first flush, and XFS keeps both."""
    with World(at_call, quick, kind) as world:
        calls = world.calls[part]
        again = [i for i, (call, path) in enumerate(calls) if call == "rename" and "spare" in path]
        for at in range(again[-1] + 6, len(calls)) if part is age else range(len(calls), 20, -7):
            try:
                world.life(part, ("-d", "cut", "-l", lie), at)
            except AssertionError as e:
                assert "acknowledged and lost" in str(e), e
                print("control: without %s on %s mail is lost: %s" % (lie, kind, e))
                return
    raise AssertionError("no mail was lost without " + lie)
