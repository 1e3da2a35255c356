"""Where pictures are put at rest: in this process, with one door for every other place that may do so."""
