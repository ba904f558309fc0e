"""How far the messages of one streamed answer may run ahead of their reader."""

WINDOW_BYTES = 256 * 1024
"""What may be on its way to a reader that has not taken it. A thousand events
of the common size: no model writes as much in the time that credit takes to
come back, so nobody who reads is slowed down. 500 readers that have all stopped
hold 128 MiB."""

GRANT_BYTES = WINDOW_BYTES // 2
"""What a reader takes before it says so: half, so that the other half covers the
time on the way, and a short answer costs no frame at all."""
