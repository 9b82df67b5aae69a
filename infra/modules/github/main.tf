locals {
  grants = merge([
    for environment, accounts in var.gates : {
      for name, account in accounts : "${environment} ${name}" => { environment = environment, account = account }
    }
  ]...)
}

resource "google_iam_workload_identity_pool" "this" {
  project                   = var.project
  workload_identity_pool_id = var.pool
  display_name              = "GitHub Actions"
  description               = "Jobs of one repository, each bound to its GitHub environment"
}

resource "google_iam_workload_identity_pool_provider" "this" {
  # checkov:skip=CKV_GCP_125:the check wants assertion.sub, which has names that can be taken over; ids cannot
  project                            = var.project
  workload_identity_pool_id          = google_iam_workload_identity_pool.this.workload_identity_pool_id
  workload_identity_pool_provider_id = "actions"
  display_name                       = "GitHub Actions"

  # The subject is short because Google takes at most 127 bytes; a subject of GitHub's may be longer.
  attribute_mapping = {
    "google.subject" = "assertion.repository_id + ':run:' + assertion.run_id"
    "attribute.gate" = "assertion.repository_id + ':env:' + assertion.environment"
  }

  # A job without an environment has no gate and gets no token.
  attribute_condition = join(" && ", [
    "assertion.repository_owner_id == '${var.owner_id}'",
    "assertion.repository_id == '${var.repository_id}'",
    "has(assertion.environment)",
  ])

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account_iam_member" "gate" {
  for_each = local.grants

  service_account_id = each.value.account
  role               = "roles/iam.workloadIdentityUser"
  member = join("/", [
    "principalSet://iam.googleapis.com",
    google_iam_workload_identity_pool.this.name,
    "attribute.gate",
    "${var.repository_id}:env:${each.value.environment}",
  ])
}
