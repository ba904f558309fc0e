"""What an organization's administrators make and change while the gateway runs.

`resources` are the things themselves, `administration` what can be done with them.
The resolver keeps them; the edge and internal clients reach it by the port.
"""
