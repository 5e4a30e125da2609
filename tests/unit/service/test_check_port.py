from __future__ import annotations

import pytest

from cirray.service import ServiceError
from cirray.service.runner import check_port


@pytest.mark.parametrize("host", ["a..b", "x" * 70, "203.0.113.7"])
def test_an_address_that_is_none_of_this_machine_is_named(host: str) -> None:
    with pytest.raises(ServiceError, match=r"cannot listen on .*:8000"):
        check_port(host, 8000)
