"""How an engine proves to a program on this machine that it knows the key."""

from __future__ import annotations

import hmac

__all__ = ["PROOF_HEADER", "proof"]

PROOF_HEADER = "x-engine-proof"


def proof(key: str, nonce: str) -> str:
    """What only a program that knows the key can answer to a nonce."""
    return hmac.digest(key.encode(), f"engine-proof:{nonce}".encode(), "sha256").hex()
