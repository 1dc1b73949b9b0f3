"""What all suites of pytest files share: how their tests are parted among xdist's workers, and their end.

With --dist loadgroup the tests of a file that share something (a fixture of more than one test) stay together, in one worker; any
other test goes wherever there is room. What takes long begins first, so that nobody waits for it at the end: files whose tests share
something, and what is marked long.
"""
import signal
import sys
import threading

import pytest


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes longer than most; begins first")
    # A test run that is told to end shall still take its networks down. On a busy machine a worker of xdist may come to its tests
    # in another thread than the first, which is none for signals: the networks' guard does it then.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def is_shared(session, item):
    """Does this test use what others of its file use as well?"""
    for name in item.fixturenames:
        for fixture in session._fixturemanager.getfixturedefs(name, item.nodeid) or ():
            if fixture.scope in ("module", "class") and fixture.baseid:
                return True
    return False


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session, items):
    shared = {item.fspath for item in items if is_shared(session, item)}
    for item in items:
        if item.fspath in shared:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.split("::")[0]))
    items.sort(key=lambda item: (not item.get_closest_marker("long"), item.fspath not in shared))
