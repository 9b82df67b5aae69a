output "emails" {
  description = "The accounts' addresses by duty, known once they have their roles."
  value       = { for name, account in google_service_account.this : name => account.email }
  depends_on  = [google_project_iam_member.custom, google_project_iam_member.predefined, google_service_account_iam_member.acts_as]
}

output "members" {
  description = "The accounts as IAM members by duty. Without their roles, so that grants to them need not wait."
  value       = { for name, account in google_service_account.this : name => account.member }
}

output "names" {
  description = "The accounts' resource names by duty."
  value       = { for name, account in google_service_account.this : name => account.name }
}
