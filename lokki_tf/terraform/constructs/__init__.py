"""What of a pipeline is made with CDKTF: one module a part, a construct and a stack of them.

CDKTF starts Node when it is imported, and the provider imports all of itself. So this package
readies both, before any of its modules imports them.
"""

from lokki_tf.terraform.lazy import prepare

prepare()
