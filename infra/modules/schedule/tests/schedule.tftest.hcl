mock_provider "google" {
  source = "../../mocks"
}

variables {
  project        = "mlops-test-dev"
  region         = "europe-west1"
  topic          = "projects/mlops-test-dev/topics/facts"
  schedules      = { "flight_delay/retrain" = "0 6 2 * *" }
  expires        = "2027-03-31"
  expiry_account = "mlops-expiry@mlops-test-dev.iam.gserviceaccount.com"
}

run "a_slot_is_a_fact" {
  assert {
    condition     = jsondecode(base64decode(google_cloud_scheduler_job.slot["flight_delay/retrain"].pubsub_target[0].data)).subject == "flight_delay/retrain"
    error_message = "The handler reads the use case and the schedule from the subject."
  }
  assert {
    condition     = google_cloud_scheduler_job.slot["flight_delay/retrain"].time_zone == "Etc/UTC"
    error_message = "Schedules are in UTC everywhere."
  }
}

run "the_handler_looks_at_what_waits" {
  assert {
    condition     = google_cloud_scheduler_job.work.schedule == "*/5 * * * *" && google_cloud_scheduler_job.work.pubsub_target[0].attributes == tomap({ eventType = "TICK" })
    error_message = "Every few minutes a message that is no fact goes to the handler."
  }
  assert {
    condition     = keys(google_cloud_scheduler_job.pause) == ["flight_delay/retrain", "work"]
    error_message = "It pauses with the schedules."
  }
}

run "minutes_that_do_not_divide_an_hour_are_refused" {
  command = plan
  variables { look_minutes = 7 }
  expect_failures = [var.look_minutes]
}

run "a_forgotten_schedule_pauses_itself" {
  assert {
    condition     = google_cloud_scheduler_job.pause["flight_delay/retrain"].schedule == "0 0 31 3 *" && endswith(google_cloud_scheduler_job.pause["flight_delay/retrain"].http_target[0].uri, ":pause")
    error_message = "On its last day the schedule is paused by a job of Google's."
  }
}

run "without_an_end_nothing_pauses" {
  command = plan
  variables { expires = null }
  assert {
    condition     = length(google_cloud_scheduler_job.pause) == 0
    error_message = "An environment that people depend on does not stop."
  }
}

run "six_fields_are_refused" {
  command = plan
  variables { schedules = { "flight_delay/retrain" = "0 0 6 2 * *" } }
  expect_failures = [var.schedules]
}

run "no_date_is_refused" {
  command = plan
  variables { expires = "soon" }
  expect_failures = [var.expires]
}

run "an_end_without_an_account_is_refused" {
  command = plan
  variables { expiry_account = null }
  expect_failures = [var.expiry_account]
}

run "a_bare_topic_is_refused" {
  command = plan
  variables { topic = "facts" }
  expect_failures = [var.topic]
}
