"""A run folder becomes a page on which people compare its pictures and vote blind, and its votes become a ranking."""
