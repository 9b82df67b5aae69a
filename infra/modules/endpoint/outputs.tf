output "endpoints" {
  description = "The endpoints' resource names by use case."
  value       = { for name, endpoint in google_vertex_ai_endpoint.this : name => endpoint.id }
}
