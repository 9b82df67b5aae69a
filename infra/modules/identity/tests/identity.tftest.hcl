mock_provider "google" {
  source = "../../mocks"
}

variables {
  project = "mlops-test-dev"
  verbs = {
    submit = ["aiplatform.pipelineJobs.create", "aiplatform.pipelineJobs.get"]
    runs   = ["aiplatform.pipelineJobs.get", "aiplatform.pipelineJobs.list"]
  }
  duties = {
    deploy    = { verbs = ["submit", "runs"], roles = [], acts_as = ["pipelines"] }
    pipelines = { verbs = [], roles = ["roles/logging.logWriter"], acts_as = [] }
  }
}

run "a_role_is_the_sum_of_its_verbs" {
  assert {
    condition     = toset(google_project_iam_custom_role.this["deploy"].permissions) == toset(["aiplatform.pipelineJobs.create", "aiplatform.pipelineJobs.get", "aiplatform.pipelineJobs.list"])
    error_message = "Each permission once, and none that no verb needs."
  }
  assert {
    condition     = keys(google_project_iam_custom_role.this) == ["deploy"]
    error_message = "An account without verbs gets no role."
  }
  assert {
    condition     = keys(google_project_iam_member.predefined) == ["pipelines roles/logging.logWriter"]
    error_message = "A predefined role goes to the account that names it."
  }
  assert {
    condition     = keys(google_service_account_iam_member.acts_as) == ["deploy as pipelines"]
    error_message = "An account acts as those that it names, not as every account of the project."
  }
}

run "wildcards_are_refused" {
  command = plan
  variables { verbs = { submit = ["aiplatform.*"], runs = [] } }
  expect_failures = [var.verbs]
}

run "primitive_roles_are_refused" {
  command = plan
  variables { duties = { pipelines = { verbs = [], roles = ["roles/editor"], acts_as = [] } } }
  expect_failures = [var.duties]
}

run "unknown_accounts_are_refused" {
  command = plan
  variables { duties = { deploy = { verbs = [], roles = [], acts_as = ["somebody"] } } }
  expect_failures = [var.duties]
}

run "a_prefix_with_a_hyphen_is_refused" {
  command = plan
  variables { prefix = "ml-ops" }
  expect_failures = [var.prefix]
}
