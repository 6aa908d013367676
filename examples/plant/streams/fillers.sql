CREATE STREAM fillers (
  machine STRING,
  hall STRING,
  temperature FLOAT,
  pressure FLOAT,
  bottles BIGINT
) WITH (TYPE="simulator", CONF_KEY="fillers", FORMAT="json", SHARED="true")
