"""A canary on this server: what is counted of it, how it is compared with the champion, and who decides."""
