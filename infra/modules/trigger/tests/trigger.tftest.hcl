mock_provider "google" {
  source = "../../mocks"
}

variables {
  project         = "mlops-test-dev"
  region          = "europe-west1"
  image           = "europe-west1-docker.pkg.dev/mlops-test-prod/mlops-images/mlops@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  usecases        = ["flight_delay"]
  service_account = "mlops-trigger@mlops-test-dev.iam.gserviceaccount.com"
  invoker         = "mlops-invoker@mlops-test-dev.iam.gserviceaccount.com"
  publishers      = { storage = "serviceAccount:service-123456789012@gs-project-accounts.iam.gserviceaccount.com" }
  pubsub_agent    = "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
  bucket          = "mlops-test-dev-mlops"
  journal         = "gs://mlops-test-dev-mlops/triggers"

  notification_channels = ["projects/mlops-test-dev/notificationChannels/1"]
}

run "a_fact_is_pushed_with_a_token_and_kept_when_it_fails" {
  assert {
    condition     = google_pubsub_subscription.handler.push_config[0].oidc_token[0].service_account_email == var.invoker && google_pubsub_subscription.handler.push_config[0].oidc_token[0].audience == output.audience
    error_message = "Each push carries a token of the invoker for this service."
  }
  assert {
    condition     = google_pubsub_subscription.handler.dead_letter_policy[0].max_delivery_attempts == 10 && google_pubsub_subscription.handler.dead_letter_policy[0].dead_letter_topic == google_pubsub_topic.dead.id
    error_message = "After ten attempts a fact goes to the dead letters."
  }
  assert {
    condition     = google_pubsub_subscription.handler.retry_policy[0].minimum_backoff == "10s" && google_pubsub_subscription.handler.retry_policy[0].maximum_backoff == "600s"
    error_message = "Attempts are 10 to 600 seconds apart."
  }
  assert {
    condition     = google_pubsub_topic_iam_member.dead.member == var.pubsub_agent && google_pubsub_subscription_iam_member.agent.member == var.pubsub_agent
    error_message = "Without both grants Pub/Sub cannot move a message to the dead letters."
  }
  assert {
    condition     = google_pubsub_subscription.dead.topic == google_pubsub_topic.dead.id
    error_message = "Dead letters must be kept by a subscription."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.dead.conditions[0].condition_threshold[0].filter, "dead_letter_message_count") && length(google_monitoring_alert_policy.dead.notification_channels) == 1
    error_message = "Somebody is told of a dead letter."
  }
}

run "one_handler_inside_the_project" {
  assert {
    condition     = google_cloud_run_v2_service.handler.ingress == "INGRESS_TRAFFIC_INTERNAL_ONLY"
    error_message = "The internet does not reach the handler."
  }
  assert {
    condition     = one(google_cloud_run_v2_service.handler.template[0].scaling).max_instance_count == 1 && google_cloud_run_v2_service.handler.template[0].max_instance_request_concurrency == 1
    error_message = "One handler, one fact at a time."
  }
  assert {
    condition     = google_cloud_run_v2_service_iam_member.invoker.member == "serviceAccount:${var.invoker}"
    error_message = "Only the invoker may call it."
  }
  assert {
    condition     = contains(google_cloud_run_v2_service.handler.template[0].containers[0].args, "--account=${var.invoker}")
    error_message = "The handler checks the sender as well."
  }
}

run "only_new_objects_below_data_are_facts" {
  assert {
    condition     = google_storage_notification.data.object_name_prefix == "data/" && google_storage_notification.data.event_types == toset(["OBJECT_FINALIZE"])
    error_message = "What a pipeline writes must not start a pipeline."
  }
}

run "a_tag_is_refused" {
  command = plan
  variables { image = "europe-west1-docker.pkg.dev/mlops-test-prod/mlops-images/mlops:latest" }
  expect_failures = [var.image]
}

run "the_default_account_is_refused" {
  command = plan
  variables { service_account = "123456789012-compute@developer.gserviceaccount.com" }
  expect_failures = [var.service_account]
}

run "alerts_without_a_reader_are_refused" {
  command = plan
  variables { notification_channels = [] }
  expect_failures = [var.notification_channels]
}

run "secrets_in_the_environment_are_refused" {
  command = plan
  variables { environment = { MLOPS_TRIGGER_SECRET = "guess" } }
  expect_failures = [var.environment]
}

run "anything_but_an_account_as_invoker_is_refused" {
  command = plan
  variables { invoker = "allUsers" }
  expect_failures = [var.invoker]
}

run "no_use_case_is_refused" {
  command = plan
  variables { usecases = [] }
  expect_failures = [var.usecases]
}

run "a_name_in_capitals_is_refused" {
  command = plan
  variables { name = "Trigger" }
  expect_failures = [var.name]
}

run "a_journal_outside_of_a_bucket_is_refused" {
  command = plan
  variables { journal = "/var/lib/mlops" }
  expect_failures = [var.journal]
}
