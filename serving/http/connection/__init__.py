"""What happens on one connection: accepting it, HTTP/1.1 with deadlines and caps, small requests answered at once."""
