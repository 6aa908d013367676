"""Native plugins: the kind ``native_plugin`` (rest reference §1.10, §5.1), here Python packages, and the original's own by name."""

from plutino.resources.native_plugin.kind import NativePluginKind

SPECS = (NativePluginKind(),)
