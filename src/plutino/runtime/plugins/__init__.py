"""Programs beside the engine: their processes, and the sockets over which they serve functions, sources and sinks.

``sockets`` the ends of connections; ``process`` one running program; ``packages`` what it is started from; ``host`` all plugins of an
engine; ``beside`` rules that call their functions.
"""
