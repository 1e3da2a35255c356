"""Tests that authors of providers run against their own: the package itself uses nothing of it."""
