"""What an auditor asks a store for: cards, a search for personal data, and deletion by key."""
