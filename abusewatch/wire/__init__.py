"""Bytes in, values out: decoders of flow exports and of captures.

Nothing here opens, waits, logs or counts into a metric. A decoder raises `errors.WireError` or nothing.
"""
