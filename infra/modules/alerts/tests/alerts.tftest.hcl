mock_provider "google" {
  source = "../../mocks"
}

variables {
  project = "mlops-test-dev"
  emails  = ["mlops@example.com"]
}

run "a_failed_pipeline_is_told" {
  assert {
    condition     = google_monitoring_alert_policy.pipeline.notification_channels == tolist(output.channels)
    error_message = "All channels hear of it."
  }
  assert {
    condition     = length(google_monitoring_alert_policy.pipeline.alert_strategy[0].notification_rate_limit) == 1
    error_message = "The API refuses an alert on log lines without a rate limit."
  }
}

run "nobody_is_refused" {
  command = plan
  variables { emails = [] }
  expect_failures = [var.emails]
}
