locals {
  # Google names its service agents by the project's number. `mlops cloud bootstrap` creates those that do not exist yet:
  # the resource for it is in google-beta only, and a grant to an account that does not exist is refused.
  agents = {
    aiplatform     = "gcp-sa-aiplatform"
    cloudscheduler = "gcp-sa-cloudscheduler"
    pubsub         = "gcp-sa-pubsub"
    run            = "serverless-robot-prod"
  }
}

resource "google_project_service" "enabled" {
  for_each = var.services

  project = var.project
  service = each.value

  # Others may use the API in this project as well.
  disable_on_destroy = false
}
