locals {
  subscription = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = \"${google_pubsub_subscription.handler.name}\""
}

resource "google_monitoring_alert_policy" "dead" {
  project               = var.project
  display_name          = "A fact could not be handled (${google_pubsub_subscription.handler.name})"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = var.notification_channels

  conditions {
    display_name = "A message went to the dead letters"
    condition_threshold {
      filter          = "metric.type = \"pubsub.googleapis.com/subscription/dead_letter_message_count\" AND ${local.subscription}"
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"
      aggregations {
        alignment_period   = "300s"
        per_series_aligner = "ALIGN_SUM"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "See the message: `gcloud pubsub subscriptions pull facts-dead --project ${var.project} --limit 10`. Mend the cause, then publish it to `facts` again."
  }
}

resource "google_monitoring_alert_policy" "late" {
  project               = var.project
  display_name          = "Facts wait (${google_pubsub_subscription.handler.name})"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = var.notification_channels

  conditions {
    display_name = "The oldest fact has not been taken for half an hour"
    condition_threshold {
      filter          = "metric.type = \"pubsub.googleapis.com/subscription/oldest_unacked_message_age\" AND ${local.subscription}"
      comparison      = "COMPARISON_GT"
      threshold_value = 1800
      duration        = "300s"
      aggregations {
        alignment_period   = "60s"
        per_series_aligner = "ALIGN_MAX"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "The handler does not answer with 2xx: see its log in Cloud Run, service `${var.name}`."
  }
}
