locals {
  # Cron's name -> job, of all jobs that stop when the environment expires.
  jobs     = merge({ for name, job in google_cloud_scheduler_job.slot : name => job.id }, { work = google_cloud_scheduler_job.work.id })
  expiring = var.expires == null ? toset([]) : toset(concat(keys(var.schedules), ["work"]))
}

# The handler has no processor between requests: a message that is no fact lets it look at what waits and at runs that go on.
resource "google_cloud_scheduler_job" "work" {
  project     = var.project
  region      = var.region
  name        = "work"
  description = "Lets the handler of triggers look at what waits"
  schedule    = "*/${var.look_minutes} * * * *"
  time_zone   = "Etc/UTC"
  paused      = var.paused

  pubsub_target {
    topic_name = var.topic
    attributes = { eventType = "TICK" }
  }

  lifecycle {
    ignore_changes = [paused]
  }
}

# A slot goes the way of every fact. Its id is that of the message, so a slot that is delivered twice is one fact.
resource "google_cloud_scheduler_job" "slot" {
  for_each = var.schedules

  project     = var.project
  region      = var.region
  name        = replace(each.key, "/", "-")
  description = "A slot of ${each.key}"
  schedule    = each.value
  time_zone   = "Etc/UTC"
  paused      = var.paused

  pubsub_target {
    topic_name = var.topic
    data = base64encode(jsonencode({
      specversion = "1.0"
      type        = "mlops.fact.schedule"
      source      = "//cloudscheduler.googleapis.com/projects/${var.project}/locations/${var.region}/jobs/${replace(each.key, "/", "-")}"
      subject     = each.key
    }))
  }

  retry_config {
    retry_count          = 5
    min_backoff_duration = "10s"
    max_backoff_duration = "600s"
  }

  # Paused on the day that it expired, or by a person: not to be undone by the next apply.
  lifecycle {
    ignore_changes = [paused]
  }
}

# A forgotten environment stops by itself: on its last day every schedule is paused. Cron has no year, so it would fire
# again a year later, when it changes nothing.
resource "google_cloud_scheduler_job" "pause" {
  for_each = local.expiring

  project     = var.project
  region      = var.region
  name        = "${replace(each.key, "/", "-")}-expiry"
  description = "Pauses ${each.key} on ${var.expires}"
  schedule    = formatdate("0 0 D M *", "${var.expires}T00:00:00Z")
  time_zone   = "Etc/UTC"

  http_target {
    http_method = "POST"
    uri         = "https://cloudscheduler.googleapis.com/v1/${local.jobs[each.key]}:pause"

    oauth_token {
      service_account_email = var.expiry_account
    }
  }

  retry_config {
    retry_count = 5
  }
}
