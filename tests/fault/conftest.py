"""Fixtures of the fault tests."""
import os
import shutil
import subprocess
import tempfile

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.fixture(scope="module")
def at_call(tmp_path_factory):
    """The program, compiled."""
    out = str(tmp_path_factory.mktemp("at_call") / "at_call")
    subprocess.run([os.environ.get("CC", "gcc").split()[0], "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-o", out,
                    os.path.join(HERE, "at_call.c")], check=True)
    return out


@pytest.fixture
def quick():
    """A folder in memory: what is cut off is cut off above the disk, which may be as fast as it likes."""
    folder = tempfile.mkdtemp(prefix="relaybox-calls-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    yield folder
    shutil.rmtree(folder)
