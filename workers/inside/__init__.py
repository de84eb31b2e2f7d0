"""What runs inside the jail: the standard library, nothing of ours from outside this package, torch only in preload.py.

The supervisor binds this folder alone into the jail, read-only, as `workers/inside`. One process forks the next:

    zygote  imports torch once, single-threaded for ever, forks an init per run into namespaces of its own   (zygote.py)
    init    pid 1 of the run: mounts, waits, ends everything, collects files, reports                         (init.py)
    snippet no capabilities, Landlock, seccomp, rlimits, descriptors 0, 1, 2                                  (child.py)
"""
