from __future__ import annotations

import pytest
from pytest_signpost import Mailbox
from shop import Shop


@pytest.fixture
def shop(signpost: Mailbox) -> Shop:
    return Shop(signpost.smtp.host, signpost.smtp.port, pause=0.05)
