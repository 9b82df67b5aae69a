locals {
  # Known before the service is there, so that the service can be told.
  audience = "https://${var.name}.${var.project}.mlops"
}

resource "google_cloud_run_v2_service" "handler" {
  project              = var.project
  location             = var.region
  name                 = var.name
  ingress              = "INGRESS_TRAFFIC_INTERNAL_ONLY"
  custom_audiences     = [local.audience]
  deletion_protection  = var.protected
  invoker_iam_disabled = false

  template {
    service_account                  = var.service_account
    max_instance_request_concurrency = 1
    timeout                          = "120s"

    # Several are safe, because the journal decides once, but they would wait for each other.
    scaling {
      min_instance_count = 0
      max_instance_count = 1
    }

    containers {
      image   = var.image
      command = ["mlops"]
      args = concat(
        ["trigger", "serve"],
        sort(tolist(var.usecases)),
        ["--at=vertex", "--host=0.0.0.0", "--port=8080", "--json", "--journal=${var.journal}", "--audience=${local.audience}", "--account=${var.invoker}"],
      )

      ports {
        container_port = 8080
      }

      # All work is done before the answer, so the instance needs no processor between requests, and no disk.
      resources {
        limits            = { cpu = "1", memory = "1Gi" }
        cpu_idle          = true
        startup_cpu_boost = true
      }

      dynamic "env" {
        for_each = merge({ MLOPS_HOME = "/tmp/mlops" }, var.environment)
        content {
          name  = env.key
          value = env.value
        }
      }

      startup_probe {
        failure_threshold = 30
        period_seconds    = 5
        timeout_seconds   = 3
        http_get {
          path = "/readyz"
        }
      }

      liveness_probe {
        period_seconds  = 30
        timeout_seconds = 5
        http_get {
          path = "/readyz"
        }
      }
    }

    dynamic "vpc_access" {
      for_each = var.subnetwork[*]
      content {
        egress = "ALL_TRAFFIC"
        network_interfaces {
          subnetwork = vpc_access.value
        }
      }
    }
  }
}

resource "google_cloud_run_v2_service_iam_member" "invoker" {
  project  = var.project
  location = var.region
  name     = google_cloud_run_v2_service.handler.name
  role     = "roles/run.invoker"
  member   = "serviceAccount:${var.invoker}"
}
