import os
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
E2E = os.path.join(os.path.dirname(HERE), "e2e")
sys.path[:0] = [os.path.join(E2E, "scenarios"), E2E]


def pytest_configure(config):
    # a test run that is told to end shall still take its networks down
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
