"""What a session's binding is called.

Nothing of a caller's words is stored: a name is a hash of hashes, and it is
scoped so that no project can guess its way into another's sessions.
"""

import hashlib

_BYTES = 12
"""96 bits: at a million live sessions, a clash in 10^17."""


def session_key(organization_id: str, project_id: str, session_id: str) -> str:
    """Name a session among all projects: 24 hex digits, empty for no session."""
    if not session_id:
        return ""
    scoped = f"{organization_id}\0{project_id}\0{session_id}"
    return hashlib.blake2b(
        scoped.encode("utf-8", "surrogatepass"), digest_size=_BYTES
    ).hexdigest()


def binding_key(session_key_: str, model_id: str) -> str:
    """Name the binding of a session for one model: 24 hex digits."""
    return hashlib.blake2b(
        f"{session_key_}\0{model_id}".encode(), digest_size=_BYTES
    ).hexdigest()
