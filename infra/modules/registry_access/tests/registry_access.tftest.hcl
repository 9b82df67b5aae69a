mock_provider "google" {
  source = "../../mocks"
}

variables {
  project  = "mlops-test-prod"
  location = "europe-west1"
  readers  = { pipelines = "serviceAccount:mlops-pipelines@mlops-test-dev.iam.gserviceaccount.com" }
}

run "reads_both_repositories_and_nothing_else" {
  assert {
    condition     = toset([for grant in google_artifact_registry_repository_iam_member.reader : "${grant.repository} ${grant.role}"]) == toset(["mlops-images roles/artifactregistry.reader", "mlops-pipelines roles/artifactregistry.reader"])
    error_message = "An environment pulls images and pipelines of the central registry."
  }
}

run "people_are_refused" {
  command = plan
  variables { readers = { somebody = "user:somebody@example.com" } }
  expect_failures = [var.readers]
}
