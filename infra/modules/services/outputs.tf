output "project" {
  description = "The project's id, known once its APIs are enabled: what depends on it waits for them."
  value       = var.project
  depends_on  = [google_project_service.enabled]
}

output "agents" {
  description = "Service agents as IAM members, by API: aiplatform, cloudscheduler, pubsub, run."
  value       = { for api, domain in local.agents : api => "serviceAccount:service-${var.project_number}@${domain}.iam.gserviceaccount.com" }
  depends_on  = [google_project_service.enabled]
}
