"""Names of capabilities."""

from eunomia.host.capabilities import names
from eunomia.schema.capabilities import NAMES


def test_names() -> None:
    assert names(0) == ()
    assert names(1 << 21 | 1) == ("CAP_CHOWN", "CAP_SYS_ADMIN")
    assert names((1 << 41) - 1) == NAMES
    assert names(1 << 41) == ("CAP_41",)
