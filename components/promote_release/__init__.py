"""Points the first environment to a release, when the release has what that environment demands."""
