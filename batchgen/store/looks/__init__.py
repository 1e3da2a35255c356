"""Thumbnails, flags and near-duplicates of stored pictures."""
