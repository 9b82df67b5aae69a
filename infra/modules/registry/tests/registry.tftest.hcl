mock_provider "google" {
  source = "../../mocks"
}

variables {
  project  = "mlops-test-prod"
  location = "europe-west1"
  writers  = { build = "serviceAccount:build@mlops-test-prod.iam.gserviceaccount.com" }
}

run "tags_cannot_move_and_tagged_images_stay" {
  assert {
    condition     = google_artifact_registry_repository.this["images"].docker_config[0].immutable_tags
    error_message = "A tag that can be moved is other code under the same name."
  }
  assert {
    condition = alltrue([
      for repository in google_artifact_registry_repository.this : contains([
        for policy in repository.cleanup_policies : "${policy.action} ${one(policy.condition).tag_state}"
      ], "KEEP TAGGED")
    ])
    error_message = "A released image must not be cleaned up."
  }
  assert {
    condition     = toset([for grant in google_artifact_registry_repository_iam_member.writer : grant.role]) == toset(["roles/artifactregistry.writer"])
    error_message = "A build writes; it administers nothing."
  }
  assert {
    condition     = output.images == "europe-west1-docker.pkg.dev/mlops-test-prod/mlops-images"
    error_message = "The address is that of the repository."
  }
}

run "no_days_are_refused" {
  command = plan
  variables { untagged_days = 0 }
  expect_failures = [var.untagged_days]
}

run "a_name_in_capitals_is_refused" {
  command = plan
  variables { name = "MLOps" }
  expect_failures = [var.name]
}
