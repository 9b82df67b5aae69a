output "subnetwork" {
  description = "The subnetwork's resource name."
  value       = google_compute_subnetwork.this.id
}

output "attachment" {
  description = "The network attachment's resource name, for the pipelines' Private Service Connect interface."
  value       = google_compute_network_attachment.pipelines.id
}
