"""The HTTP side: routes built from the actions of all kinds, transfer endpoints, OpenAPI, and the data server for HTTP push."""
