"""Tables, progress and exports: what is said of a run or a sweep."""
