"""The version of what is read out of logs; light, for those that only compare it."""

VERSION = 6
"""Raised with each change of what is read: logs that an earlier version has read are read again."""
