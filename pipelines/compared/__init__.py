"""Two versions of compiled pipelines, compared step by step and said in words."""
