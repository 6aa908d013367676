CREATE STREAM alarms () WITH (TYPE="memory", DATASOURCE="plant/alarm/+", FORMAT="json")
