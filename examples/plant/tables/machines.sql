CREATE TABLE machines (
  machine STRING,
  name STRING,
  built BIGINT
) WITH (TYPE="simulator", CONF_KEY="machines", RETAIN_SIZE="100", FORMAT="json")
