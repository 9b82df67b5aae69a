"""Where the data-heavy stages run: the `beam` section, the choice of an engine, and the code that workers get."""
