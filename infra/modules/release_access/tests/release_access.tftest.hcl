mock_provider "google" {
  source = "../../mocks"
}

variables {
  bucket = "mlops-test-prod-mlops"
  folders = {
    releases = { write = { deploy = "serviceAccount:mlops-deploy@mlops-test-dev.iam.gserviceaccount.com" } }
    models = {
      read  = { serving = "serviceAccount:mlops-serving@mlops-test-dev.iam.gserviceaccount.com" }
      write = { deploy = "serviceAccount:mlops-deploy@mlops-test-dev.iam.gserviceaccount.com" }
    }
  }
}

run "each_folder_is_granted_as_wide_as_asked_for" {
  assert {
    condition = toset([for grant in google_storage_managed_folder_iam_member.this : "${grant.bucket} ${grant.managed_folder} ${grant.role}"]) == toset([
      "mlops-test-prod-mlops models/ roles/storage.objectUser",
      "mlops-test-prod-mlops models/ roles/storage.objectViewer",
      "mlops-test-prod-mlops releases/ roles/storage.objectUser",
    ])
    error_message = "Two folders of the other bucket, and the bucket itself not at all."
  }
  assert {
    condition     = length(output.grants) == 3
    error_message = "The output names what was granted."
  }
}

run "an_address_is_refused" {
  command = plan
  variables { bucket = "gs://mlops-test-prod-mlops/releases" }
  expect_failures = [var.bucket]
}

run "other_folders_are_refused" {
  command = plan
  variables { folders = { data = { read = { deploy = "serviceAccount:mlops-deploy@mlops-test-dev.iam.gserviceaccount.com" } } } }
  expect_failures = [var.folders]
}

run "another_access_is_refused" {
  command = plan
  variables { folders = { models = { admin = {} } } }
  expect_failures = [var.folders]
}

run "people_are_refused" {
  command = plan
  variables { folders = { models = { read = { somebody = "user:somebody@example.com" } } } }
  expect_failures = [var.folders]
}
