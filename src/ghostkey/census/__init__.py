"""The memory of a Go process, live or in a core dump: its maps, who holds them, what their keys are, who changes them.

Standard library only, and a stranger to every room but `model`: the same files run inside a Pod. Nothing is stopped, signalled
or written; a live process goes on while it is read, so that everything read may be torn, and is checked before it is believed.
"""
