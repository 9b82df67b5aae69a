"""The product's own package: the floor every room stands on (core), the online process (serving), the report and the command line."""
