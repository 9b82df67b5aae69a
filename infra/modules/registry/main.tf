locals {
  repositories = {
    images    = { format = "DOCKER", description = "Container images; pulled by digest only" }
    pipelines = { format = "KFP", description = "Compiled pipelines; named by their sha256 only" }
  }

  grants = merge([
    for repository in keys(local.repositories) : {
      for name, member in var.writers : "${repository} ${name}" => { repository = repository, member = member }
    }
  ]...)
}

resource "google_artifact_registry_repository" "this" {
  # checkov:skip=CKV_GCP_84:a key of one's own is an option (kms_key); images hold code, no data and no secret
  for_each = local.repositories

  project       = var.project
  location      = var.location
  repository_id = "${var.name}-${each.key}"
  format        = each.value.format
  description   = each.value.description
  kms_key_name  = var.kms_key

  dynamic "docker_config" {
    for_each = each.value.format == "DOCKER" ? [1] : []
    content {
      immutable_tags = true
    }
  }

  # KEEP wins over DELETE: what has a tag (every image of a release has) is never cleaned up.
  cleanup_policies {
    id     = "keep-tagged"
    action = "KEEP"
    condition {
      tag_state = "TAGGED"
    }
  }

  dynamic "cleanup_policies" {
    for_each = each.value.format == "DOCKER" ? [1] : []
    content {
      id     = "delete-untagged"
      action = "DELETE"
      condition {
        tag_state  = "UNTAGGED"
        older_than = "${var.untagged_days * 86400}s"
      }
    }
  }
}

resource "google_artifact_registry_repository_iam_member" "writer" {
  for_each = local.grants

  project    = var.project
  location   = var.location
  repository = google_artifact_registry_repository.this[each.value.repository].repository_id
  role       = "roles/artifactregistry.writer"
  member     = each.value.member
}
