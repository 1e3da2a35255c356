"""The page on which people compare the pictures of a run folder and vote blind, and the ranking from their votes."""
