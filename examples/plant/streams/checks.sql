CREATE STREAM checks () WITH (TYPE="httppush", DATASOURCE="/plant/checks", CONF_KEY="checks", FORMAT="json")
