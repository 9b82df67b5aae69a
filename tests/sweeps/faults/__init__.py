"""Death, a full disk and I/O errors at every system call that changes state."""
