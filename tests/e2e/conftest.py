"""Here both forms of the log are compared at the end of every relay (facts.py), unless RELAYBOX_FACTS=0. Where that is slow, under sanitizers
and an emulator, relays are as most people have them, with one log."""
import os

import lab

lab.FACTS = os.environ.get("RELAYBOX_FACTS", "1" if lab.SLOW == 1 else "0") == "1"
