"""Where the journal of triggers lies: a SQLite file of this machine, or a log in an object store."""
