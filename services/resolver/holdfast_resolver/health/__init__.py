"""The health of deployments: who is left aside, for how long, and who comes back how.

`record.py` and `window.py` decide, over values and moments alone; `tracking.py`
applies them to what is reported, as far as `evidence.py` believes it of whoever
`witnesses.py` has heard; and `probes.py` lets one replica at a time try
who is due. Health changes the order of a plan and never empties it.
"""
