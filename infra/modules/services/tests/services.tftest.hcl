mock_provider "google" {
  source = "../../mocks"
}

variables {
  project        = "mlops-test-dev"
  project_number = "123456789012"
  services       = ["aiplatform.googleapis.com", "pubsub.googleapis.com"]
}

run "apis_stay_enabled_for_others" {
  assert {
    condition     = alltrue([for service in google_project_service.enabled : service.disable_on_destroy == false])
    error_message = "Destroying an environment must not switch an API off."
  }
  assert {
    condition     = output.agents.pubsub == "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
    error_message = "The service agent of Pub/Sub is named after the project's number."
  }
}

run "a_projects_name_is_refused" {
  command = plan
  variables { project = "My Project" }
  expect_failures = [var.project]
}

run "an_api_without_its_domain_is_refused" {
  command = plan
  variables { services = ["aiplatform"] }
  expect_failures = [var.services]
}

run "an_id_as_number_is_refused" {
  command = plan
  variables { project_number = "mlops-test-dev" }
  expect_failures = [var.project_number]
}
