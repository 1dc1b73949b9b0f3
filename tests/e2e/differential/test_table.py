"""The differential table: what Postfix made of each row (golden/*.json) is what relaybox makes of it, but for the differences that are
meant: `differences` has their rows with the reason. And where mail went is what `relayctl explain` says."""
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]

import table  # noqa: E402
import world  # noqa: E402

MEANT = table.meant()
needs_networks = pytest.mark.skipif(world.unable() is not None, reason=str(world.unable()))


@needs_networks
@pytest.mark.long
@pytest.mark.parametrize("name", table.all_names())
def test_what_postfix_does_is_done(name):
    ours = table.relaybox(name)
    found, count = table.differences(name, ours)
    differ = {(name, w, row) for w, row, _, _ in found}
    told = ["%s: %s\n  ours:    %s\n  Postfix: %s" % (w, row, a, b) for w, row, a, b in found if (name, w, row) not in MEANT]
    assert count and not told, "\n".join(told)
    assert not [line for rows in ours.values() for line in rows[""]], "explain says otherwise"
    assert name != "restrictions" or sum(rows["#"] for rows in ours.values()) >= 200, "explain was hardly asked"
    assert not [row for row in MEANT if row[0] == name and row not in differ], "no difference any more"


def test_the_table_is_whole():
    """At least 600 rows, each with Postfix's answer; at most two of a hundred mean something else, and each of those has a reason."""
    rows = {(name, w["name"], row["name"]) for name in table.all_names() for w in table.from_rows(name) for row in w["rows"]}
    golden = {(name, w, row) for name in table.all_names() for w, v in table.read_golden(name)["worlds"].items() for row in v}
    assert rows == golden and len(rows) >= 600
    assert set(MEANT) <= rows and len(MEANT) <= 0.02 * len(rows)
