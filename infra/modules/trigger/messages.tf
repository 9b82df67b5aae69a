locals {
  week = "604800s"
}

# Kept for a week: after a fault the facts are delivered again with `gcloud pubsub subscriptions seek`, which is safe,
# because a fact that was handled and content that ran before start nothing.
resource "google_pubsub_topic" "facts" {
  # checkov:skip=CKV_GCP_83:facts name a use case and an object; they hold no data, so Google's own keys do
  project                    = var.project
  name                       = "facts"
  message_retention_duration = local.week

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }
}

resource "google_pubsub_topic" "dead" {
  # checkov:skip=CKV_GCP_83:facts name a use case and an object; they hold no data, so Google's own keys do
  project                    = var.project
  name                       = "facts-dead"
  message_retention_duration = local.week

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }
}

# A topic without a subscription forgets its messages.
resource "google_pubsub_subscription" "dead" {
  project                    = var.project
  name                       = "facts-dead"
  topic                      = google_pubsub_topic.dead.id
  message_retention_duration = local.week

  expiration_policy {
    ttl = ""
  }
}

resource "google_pubsub_subscription" "handler" {
  project                    = var.project
  name                       = "facts-handler"
  topic                      = google_pubsub_topic.facts.id
  ack_deadline_seconds       = 120
  message_retention_duration = local.week

  push_config {
    push_endpoint = "${google_cloud_run_v2_service.handler.uri}/"

    oidc_token {
      service_account_email = var.invoker
      audience              = local.audience
    }
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead.id
    max_delivery_attempts = 10
  }

  expiration_policy {
    ttl = ""
  }

  depends_on = [google_cloud_run_v2_service_iam_member.invoker, google_pubsub_topic_iam_member.dead]
}

resource "google_pubsub_topic_iam_member" "publisher" {
  for_each = var.publishers

  project = var.project
  topic   = google_pubsub_topic.facts.name
  role    = "roles/pubsub.publisher"
  member  = each.value
}

resource "google_pubsub_topic_iam_member" "dead" {
  project = var.project
  topic   = google_pubsub_topic.dead.name
  role    = "roles/pubsub.publisher"
  member  = var.pubsub_agent
}

# To take a message out of the subscription once it is among the dead letters.
resource "google_pubsub_subscription_iam_member" "agent" {
  project      = var.project
  subscription = google_pubsub_subscription.handler.name
  role         = "roles/pubsub.subscriber"
  member       = var.pubsub_agent
}

resource "google_storage_notification" "data" {
  bucket             = var.bucket
  topic              = google_pubsub_topic.facts.id
  payload_format     = "NONE"
  event_types        = ["OBJECT_FINALIZE"]
  object_name_prefix = "data/"

  depends_on = [google_pubsub_topic_iam_member.publisher]
}
