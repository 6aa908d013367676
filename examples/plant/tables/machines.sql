CREATE TABLE machines (
  machine STRING,
  name STRING,
  built BIGINT
) WITH (TYPE="simulator", CONF_KEY="machines", KIND="lookup", KEY="machine", FORMAT="json")
