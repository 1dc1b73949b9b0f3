"""What becomes of addresses in envelope and header, as in the Postfix that rewriting.json was made with."""
import json

import pytest

import rewriting

WORLDS = rewriting.from_rows(rewriting.ROWS)
with open(rewriting.GOLDEN, encoding="utf-8") as f:
    POSTFIX = json.load(f)["worlds"]


@pytest.mark.parametrize("world", WORLDS, ids=[w["name"] for w in WORLDS])
def test_addresses_become_what_postfix_makes_of_them(world, tmp_path):
    got, want = rewriting.run_relaybox(world, tmp_path), POSTFIX[world["name"]]
    assert got and set(got) == set(want)
    for name, one in want.items():
        assert got[name] == one, name
