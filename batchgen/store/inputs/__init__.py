"""Input pictures: decoded before they are sent, remembered by what their files are, kept in the run folder."""
