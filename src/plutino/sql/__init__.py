"""SQL front end: lexer, parser, syntax tree and printer."""
