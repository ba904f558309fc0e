"""Many hosts on one machine, and what becomes of calls while they fail.

`hosts` makes the hosts, `lab` puts a whole gateway on them, `load` calls it all the
while, `scenarios` are what is done to it, and `verdict` says what it cost whom.
`random_runs` draw what is done, and when, from a seed: `happenings` are drawn of the
kinds in `misfortunes`, `course` carries them out, and `reckoning` says what it cost.
"""
