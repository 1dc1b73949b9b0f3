"""Here both forms of the log are compared at the end of every relay (facts.py), unless RELAYBOX_FACTS=0. Where that is slow, under sanitizers
and an emulator, relays are as most people have them, with one log."""
import os

import lab
import pytest

lab.FACTS = os.environ.get("RELAYBOX_FACTS", "1" if lab.SLOW == 1 else "0") == "1"


@pytest.fixture
def dns():
    """A function that makes a name server of records (lab.Dns) and gives its address; it ends with the test."""
    made = []

    def make(records):
        made.append(lab.Dns(records))
        return "127.0.0.1:%d" % made[-1].port

    yield make
    for d in made:
        d.sock.close()
