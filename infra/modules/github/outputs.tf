output "provider" {
  description = "Resource name of the provider, for workload_identity_provider of google-github-actions/auth."
  value       = google_iam_workload_identity_pool_provider.this.name
  depends_on  = [google_service_account_iam_member.gate]
}
