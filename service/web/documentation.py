"""x"""
HEADERS: dict[str, str] = {}
def page() -> bytes:
    """x"""
    return b""
def asset(name: str) -> tuple[str, bytes] | None:
    """x"""
    return None
