output "name" {
  description = "The bucket's name, known once its folders and their IAM are there."
  value       = google_storage_bucket.this.name
  depends_on  = [google_storage_managed_folder_iam_member.this]
}

output "address" {
  description = "The bucket as mlops takes it (MLOPS_STORE)."
  value       = "gs://${google_storage_bucket.this.name}"
  depends_on  = [google_storage_managed_folder_iam_member.this]
}
