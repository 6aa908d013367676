"""Native plugins: the kind ``native_plugin`` (rest reference §1.10, §5.1), here Python packages, and names of what is built in."""

from plutino.resources.native_plugin.kind import NativePluginKind

SPECS = (NativePluginKind(),)
