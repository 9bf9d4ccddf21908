"""Keep the state of a local AWS in a folder: ``folder`` has its files, ``pickles`` the resources.

The state consists of moto's backends, which contain the executions of state machines, and of the
children of Distributed Maps. It is read with :mod:`pickle`, so that who can write to the folder can
run code: the folder must belong to the user.
"""
