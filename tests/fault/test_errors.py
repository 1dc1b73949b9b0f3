"""Every file-system call of a relayd fails once: a sample of them, RELAYBOX_CALLS says how many (test_calls.py)."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from life import FLUSHES, youth  # noqa: E402
from test_disk import cpu_seconds  # noqa: E402
from world import CALLS, World, can_trace, chosen, takes_all  # noqa: E402

# with what a call can fail; "short" is half a write without an error
WRITE, FLUSH, NAME, READ = ("ENOSPC", "short", "EIO", "EDQUOT"), ("EIO", "ENOSPC"), ("ENOSPC", "EIO", "EMFILE", "ENOMEM"), ("EIO", "ENOMEM")
ERRORS = {"write": WRITE, "pwritev": WRITE, "fsync": FLUSH, "fdatasync": FLUSH, "open": NAME, "openat": NAME, "mkdir": NAME,
          "fallocate": ("ENOSPC", "EIO", "EDQUOT"), "rename": NAME, "unlink": ("EIO",), "ftruncate": ("EIO", "ENOSPC")}


pytestmark = can_trace


def after_error(relay, mail):
    """With one call failed: is there service again within 5 s? Only a flush that failed with EIO ends it, until the next start."""
    relay.read_report()
    if not relay.hit:
        return
    when, call, _ = relay.hit
    smtp = relay.session()
    if call in FLUSHES and "EIO" in relay.strike:
        late = [n for n in mail.acked if mail.began.get(n, 0) > when]
        assert not late and not mail.put(smtp, "ok", 300), "acknowledged after a flush failed: %s" % late
    else:
        assert relay.patient(lambda: mail.put(smtp, "ok", 300), 5, 100), "no service after 5 s"
    smtp.quit()
    before = cpu_seconds(relay.pid())
    relay.patient(lambda: False, 0.2)
    assert cpu_seconds(relay.pid()) - before < 0.15, "it is busy doing nothing"


def test_an_error_of_any_call_breaks_no_promise(at_call, quick):
    """What relayd could not write it does not acknowledge; what it acknowledged before it keeps."""
    failed = {}
    with World(at_call, quick) as world:
        for k, (part, at) in enumerate(chosen(world)):
            call = world.calls[part][at - 1][0]
            errors = ERRORS.get(call, READ)
            for error in errors if takes_all(world) else [errors[k % len(errors)]]:
                way = ("-d", "short") if error == "short" else ("-d", "fail", "-e", error)
                _, hit = world.life(part, way, at, each=after_error)
                if hit:
                    failed.setdefault(hit[1], {}).setdefault(error, []).append(at)
    count = sum(len(at) for by_error in failed.values() for at in by_error.values())
    print("errors: %d calls failed; acknowledged and lost 0, altered 0: %s" % (
        count, "; ".join("%s %s" % (call, " ".join("%s %d" % (e, len(v)) for e, v in sorted(by.items()))) for call, by in sorted(failed.items()))))
    assert count >= 0.9 * min(CALLS, 300)


def test_out_of_memory_breaks_no_promise(at_call, quick):
    """Without memory relayd may end, but no message with it."""
    with World(at_call, quick) as world:
        calls, _ = world.life(youth, ("-o", "mmap,brk,mremap"))
        asked = [1 + int(i * len(calls) / 8) for i in range(8)]
        if takes_all(world):
            asked = range(1, len(calls) + 1)
        hits = [world.life(youth, ("-d", "fail", "-e", "ENOMEM", "-o", "mmap,brk,mremap"), at)[1] for at in asked]
        print("memory: %d calls in a youth, %d failed; acknowledged and lost 0, altered 0" % (len(calls), len([h for h in hits if h])))
    assert any(hits)
