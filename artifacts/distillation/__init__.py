"""What a distillation gained and what its models cost."""
