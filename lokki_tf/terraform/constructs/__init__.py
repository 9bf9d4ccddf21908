"""The parts of a pipeline as constructs: one module for each, a construct and a stack of all.

The library runs in Node, which starts when ``constructs`` is imported. So this package prepares
it before any of its modules is imported.
"""

from lokki_tf.terraform.cdk import prepare

prepare()
