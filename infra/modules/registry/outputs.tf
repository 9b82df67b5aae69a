output "images" {
  description = "Address that images are pushed to, without a slash at its end."
  value       = "${var.location}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.this["images"].repository_id}"
  depends_on  = [google_artifact_registry_repository_iam_member.writer]
}

output "pipelines" {
  description = "Address that compiled pipelines are uploaded to (kfp.registry.RegistryClient)."
  value       = "https://${var.location}-kfp.pkg.dev/${var.project}/${google_artifact_registry_repository.this["pipelines"].repository_id}"
  depends_on  = [google_artifact_registry_repository_iam_member.writer]
}
