"""An OpenID Connect issuer on loopback: it publishes keys, signs tokens, and goes away when told to."""

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm


def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65_537, 2_048)


KINDS: dict[str, Any] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), (_rsa, RSAAlgorithm)),
    "ES256": (lambda: ec.generate_private_key(ec.SECP256R1()), ECAlgorithm),
    "ES384": (lambda: ec.generate_private_key(ec.SECP384R1()), ECAlgorithm),
    "ES512": (lambda: ec.generate_private_key(ec.SECP521R1()), ECAlgorithm),
    "EdDSA": (ed25519.Ed25519PrivateKey.generate, OKPAlgorithm),
}


class Issuer:
    def __init__(self) -> None:
        self.private: dict[str, tuple[str, Any]] = {}
        self.asked: Counter[str] = Counter()
        self.away = False
        self.calls_itself = ""
        self.beside: list[Any] = []
        """What else stands in the set of keys."""
        self.answering = threading.Event()
        """Clear it, and whoever asks is kept waiting."""
        self.answering.set()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked[self.path] += 1
                issuer.answering.wait()
                body = json.dumps(issuer.answer(self.path)).encode()
                self.send_response(503 if issuer.away else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/realms/works"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.answering.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str) -> dict[str, Any]:
        if path.endswith("openid-configuration"):
            return {"issuer": self.calls_itself or self.url, "jwks_uri": f"{self.url}/keys"}
        return {"keys": [*self.beside, *(self.published(kid) for kid in self.private)]}

    def add(self, algorithm: str = "ES256", kid: str = "k1") -> str:
        make, _ = KINDS[algorithm]
        self.private[kid] = (algorithm, make())
        return kid

    def published(self, kid: str) -> dict[str, Any]:
        algorithm, private = self.private[kid]
        _, kind = KINDS[algorithm]
        return {**kind.to_jwk(private.public_key(), as_dict=True), "kid": kid, "use": "sig"}

    def claims(self, now: float, **changed: Any) -> dict[str, Any]:
        usual = {
            "iss": self.url,
            "aud": "noces",
            "sub": "anne",
            "exp": now + 300,
            "iat": now,
            "scope": "openid read write",
        }
        return {name: value for name, value in {**usual, **changed}.items() if value is not None}

    def token(self, now: float, kid: str = "k1", **changed: Any) -> str:
        algorithm, private = self.private[kid]
        return jwt.encode(self.claims(now, **changed), private, algorithm=algorithm, headers={"kid": kid})
