"""The zip of a step: its function's source, and the modules, files and packages that it needs.

Four packages, each of which imports only those before it: :mod:`.dependencies`, :mod:`.extract`,
:mod:`.bundle` and :mod:`.image`; :mod:`lokki_tf.source` reads the user's source for them.
:func:`package_steps` makes the zip of each step, :class:`LayerBuilder` layers of the packages that
steps declare, and :func:`image_context` the build context of a container image for a whole
pipeline.
"""

from .bundle.explain import Explanation, explain
from .bundle.package import HANDLER_FILE, HANDLER_NAME, Package, package
from .bundle.runtime_files import helper_package
from .bundle.steps import context_steps, cut_steps, main_module, package_steps, state_keys
from .bundle.template import Template, default_template, read_template
from .dependencies.layers import LOCK_FILE, Layer, LayerBuilder, check_size, layer_path
from .dependencies.third_party import Import
from .extract.cut import Cut, cut
from .image.context import ImageContext, image_context
from .zips import Zipped

__all__ = [
    "HANDLER_FILE",
    "HANDLER_NAME",
    "LOCK_FILE",
    "Cut",
    "Explanation",
    "ImageContext",
    "Import",
    "Layer",
    "LayerBuilder",
    "Package",
    "Template",
    "Zipped",
    "check_size",
    "context_steps",
    "cut",
    "cut_steps",
    "default_template",
    "explain",
    "helper_package",
    "image_context",
    "layer_path",
    "main_module",
    "package",
    "package_steps",
    "read_template",
    "state_keys",
]
