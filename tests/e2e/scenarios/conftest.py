import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]

from net import lent  # noqa: E402


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    with lent(tmp_path_factory.mktemp("net")) as made:
        yield made
