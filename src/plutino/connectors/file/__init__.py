"""Files: a source for single files and folders, a sink that rolls.

``options`` what can be set; ``reading`` what is inside files; ``source``; ``writing`` one file that grows; ``sink``.
"""

from __future__ import annotations

from plutino.connectors.file.options import FileSinkOptions, FileSourceOptions
from plutino.connectors.file.sink import FileSink
from plutino.connectors.file.source import FileSource
from plutino.spi import ConnectorSpec, Datasource, Example, SinkSpec, SourceSpec

CONNECTOR = ConnectorSpec(
    name="file",
    about="Files and folders",
    source=SourceSpec(
        options=FileSourceOptions,
        create=FileSource,
        replays=True,
        bounded=True,
        defaults={
            "fileType": "json",
            "path": "data",
            "interval": "0s",
            "sendInterval": 0,
            "parallel": False,
            "actionAfterRead": 0,
            "moveTo": "/tmp/kuiper/moved",
            "hasHeader": False,
            "ignoreStartLines": 0,
            "ignoreEndLines": 0,
        },
        datasource=Datasource("File", "Name of a file or folder under path", "test.json"),
        examples=(
            Example("lines of JSON, once", {"path": ".", "fileType": "lines"}, ""),
            Example(
                "csv with a header, new files of a folder, then deleted",
                {"path": ".", "fileType": "csv", "hasHeader": True, "actionAfterRead": 1},
            ),
        ),
    ),
    sink=SinkSpec(
        options=FileSinkOptions,
        create=FileSink,
        dynamic=("path",),
        streams=True,
        examples=(
            Example("lines of JSON", {"path": "results.jsonl", "fileType": "lines"}),
            Example(
                "a csv file each hour",
                {
                    "path": "results.csv",
                    "fileType": "csv",
                    "format": "delimited",
                    "hasHeader": True,
                    "fields": ["id", "temperature"],
                    "rollingInterval": "1h",
                    "rollingNamePattern": "suffix",
                },
            ),
        ),
    ),
)
