"""Headers that every answer carries, whoever writes it."""

Headers = list[tuple[bytes, bytes]]

NOTHING = b"default-src 'none'; frame-ancestors 'none'"
"""The content security policy of what is no page: a browser that shows it loads and runs nothing."""

ON_EVERY_ANSWER: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]
UNLESS_SAID: Headers = [
    (b"content-security-policy", NOTHING),
    (b"cache-control", b"no-store"),
]
"""What an answer carries unless its route says otherwise."""
