output "readers" {
  description = "The members that may pull, known once they may."
  value       = values(var.readers)
  depends_on  = [google_artifact_registry_repository_iam_member.reader]
}
