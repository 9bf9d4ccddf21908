"""Constructs of a pipeline's parts, one module for each; the construct and the stack of all parts.

The library runs in Node, which starts when ``constructs`` is imported. So this package prepares
it before any of its modules is imported.
"""

from lokki_tf.terraform.cdk import prepare

prepare()
