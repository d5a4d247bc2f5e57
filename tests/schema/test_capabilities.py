"""Names of capabilities."""

from eunomia.schema.capabilities import NAMES, capability_names


def test_names() -> None:
    assert capability_names(0) == []
    assert capability_names(1 << 21 | 1) == ["CAP_CHOWN", "CAP_SYS_ADMIN"]
    assert capability_names((1 << 41) - 1) == list(NAMES)
    assert capability_names(1 << 41) == ["CAP_41"]
