"""What can go wrong between us and etcd.

* EtcdError
  * EtcdUnavailableError   no endpoint answered in time; degrade and try again
  * EtcdRefusedError       etcd answered and would not
    * LeaseNotFoundError   the lease has expired or was revoked
  * CompactedError         the history asked for is gone; read everything anew

None of these reaches a caller of the gateway: losing etcd costs shared memory,
never an answer.
"""


class EtcdError(Exception):
    """Something between us and etcd failed."""


class EtcdUnavailableError(EtcdError):
    """No endpoint answered in the time there was."""


class EtcdRefusedError(EtcdError):
    """Etcd answered, and refused: permission, space, a malformed request.

    Attributes:
        code: The gRPC status code's name.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class LeaseNotFoundError(EtcdRefusedError):
    """The lease has expired or was revoked; nothing of the call was done."""


class CompactedError(EtcdError):
    """The revision asked for is no longer, or never was, in etcd's history."""
