resource "google_monitoring_notification_channel" "email" {
  for_each = var.emails

  project      = var.project
  display_name = "mlops: ${each.value}"
  type         = "email"
  labels       = { email_address = each.value }
}

resource "google_monitoring_alert_policy" "pipeline" {
  project               = var.project
  display_name          = "A pipeline failed"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]

  conditions {
    display_name = "Vertex AI wrote an error about a pipeline job"
    condition_matched_log {
      filter = "resource.type = \"aiplatform.googleapis.com/PipelineJob\" AND severity >= ERROR"
      label_extractors = {
        job = "EXTRACT(resource.labels.pipeline_job_id)"
      }
    }
  }

  alert_strategy {
    auto_close = "86400s"
    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "`mlops runs list --at vertex` shows the run, its failing step and the reason."
  }
}
