"""Exports: the pictures of run folders as the datasets that trainers and loaders read."""
