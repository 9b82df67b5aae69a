mock_provider "google" {
  source = "../../mocks"
}

variables {
  project       = "mlops-test-prod"
  owner_id      = "1234"
  repository_id = "567890"
  gates         = { prod = { deploy = "projects/mlops-test-prod/serviceAccounts/mlops-deploy@mlops-test-prod.iam.gserviceaccount.com" } }
}

run "an_account_belongs_to_one_environment_of_one_repository" {
  assert {
    condition     = one(values(google_service_account_iam_member.gate)).member == "principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/github/attribute.gate/567890:env:prod"
    error_message = "Only jobs of the GitHub environment may become the account, not every branch of the repository."
  }
  assert {
    condition     = strcontains(google_iam_workload_identity_pool_provider.this.attribute_condition, "assertion.repository_owner_id == '1234' && assertion.repository_id == '567890' && has(assertion.environment)")
    error_message = "Tokens of other repositories, and of jobs without an environment, are refused."
  }
  assert {
    condition     = google_iam_workload_identity_pool_provider.this.attribute_mapping["attribute.gate"] == "assertion.repository_id + ':env:' + assertion.environment"
    error_message = "The gate is made of the repository's id and the environment."
  }
}

run "names_are_refused" {
  command = plan
  variables {
    owner_id      = "owner"
    repository_id = "owner/name"
  }
  expect_failures = [var.owner_id, var.repository_id]
}

run "wild_gates_are_refused" {
  command = plan
  variables { gates = { "*" = {} } }
  expect_failures = [var.gates]
}

run "googles_prefix_is_refused" {
  command = plan
  variables { pool = "gcp-github" }
  expect_failures = [var.pool]
}
