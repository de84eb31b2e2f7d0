"""What runs inside the jail. Standard library only, nothing of ours from outside this package; torch only in child.py.

The supervisor binds this folder alone into the jail, read-only, as `workers/inside`. One process forks the next:

    zygote  imports torch once, single-threaded for ever, forks a run tree when asked
    A       enters the run's own namespaces, forks B, exits                                   (zygote.py, wall.py)
    B       pid 1 of the run: mounts, waits, ends everything, collects files, reports          (init.py)
    C       the snippet: no capabilities, Landlock, seccomp, rlimits, descriptors 0, 1, 2      (child.py)
"""
