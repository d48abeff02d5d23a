VERSION = "0.1.0"
FORMAT = 1  # of run folders; higher once an earlier version could not read them
