output "grants" {
  description = "What was granted, as folder, access and name, known once it was."
  value       = keys(local.grants)
  depends_on  = [google_storage_managed_folder_iam_member.this]
}
