mock_provider "google" {
  source = "../../mocks"
}

variables {
  project  = "mlops-test-dev"
  name     = "mlops-test-dev-mlops"
  location = "europe-west1"
  folders = {
    data   = { read = { steps = "serviceAccount:mlops-pipelines@mlops-test-dev.iam.gserviceaccount.com" } }
    models = { write = { steps = "serviceAccount:mlops-pipelines@mlops-test-dev.iam.gserviceaccount.com" } }
  }
  temporary = { artifacts = 14 }
}

run "closed_versioned_and_granted_by_folder" {
  assert {
    condition     = google_storage_bucket.this.uniform_bucket_level_access && google_storage_bucket.this.public_access_prevention == "enforced"
    error_message = "No object may have an access list of its own, and none may be public."
  }
  assert {
    condition     = google_storage_bucket.this.versioning[0].enabled && !google_storage_bucket.this.force_destroy
    error_message = "What was deleted can be restored, and a bucket with objects cannot be destroyed."
  }
  assert {
    condition = { for grant in google_storage_managed_folder_iam_member.this : grant.managed_folder => grant.role } == {
      "data/"   = "roles/storage.objectViewer"
      "models/" = "roles/storage.objectUser"
    }
    error_message = "Each folder is granted as wide as asked for, and the bucket not at all."
  }
}

run "only_the_temporary_folder_is_emptied" {
  assert {
    condition = [
      for rule in google_storage_bucket.this.lifecycle_rule : one(rule.condition).matches_prefix
      if one(rule.action).type == "Delete" && one(rule.condition).with_state == "LIVE"
    ] == [tolist(["artifacts/"])]
    error_message = "No other object may be deleted for its age."
  }
}

run "another_access_is_refused" {
  command = plan
  variables { folders = { data = { admin = {} } } }
  expect_failures = [var.folders]
}

run "a_folder_in_a_folder_is_refused" {
  command = plan
  variables { folders = { "data/raw" = {} } }
  expect_failures = [var.folders]
}

run "half_days_are_refused" {
  command = plan
  variables { temporary = { artifacts = 0.5 } }
  expect_failures = [var.temporary]
}

run "no_versions_are_refused" {
  command = plan
  variables { noncurrent_days = 0 }
  expect_failures = [var.noncurrent_days]
}

run "a_name_with_a_dot_is_refused" {
  command = plan
  variables { name = "models.example.com" }
  expect_failures = [var.name]
}
