locals {
  roles = {
    read  = "roles/storage.objectViewer"
    write = "roles/storage.objectUser"
  }

  grants = merge([
    for folder, accesses in var.folders : merge([
      for access, members in accesses : {
        for name, member in members : "${folder} ${access} ${name}" => { folder = folder, access = access, member = member }
      }
    ]...)
  ]...)
}

resource "google_storage_bucket" "this" {
  # checkov:skip=CKV_GCP_62:access logs are an option (log_bucket); Cloud Audit Logs hold data access without a second bucket
  project  = var.project
  name     = var.name
  location = var.location

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = var.deletable

  versioning {
    enabled = true
  }

  # Versions already keep what was deleted.
  soft_delete_policy {
    retention_duration_seconds = 0
  }

  lifecycle_rule {
    condition {
      days_since_noncurrent_time = var.noncurrent_days
      with_state                 = "ARCHIVED"
    }
    action {
      type = "Delete"
    }
  }

  lifecycle_rule {
    condition {
      age = 7
    }
    action {
      type = "AbortIncompleteMultipartUpload"
    }
  }

  dynamic "lifecycle_rule" {
    for_each = var.temporary
    content {
      condition {
        age            = lifecycle_rule.value
        matches_prefix = ["${lifecycle_rule.key}/"]
        with_state     = "LIVE"
      }
      action {
        type = "Delete"
      }
    }
  }

  dynamic "encryption" {
    for_each = var.kms_key[*]
    content {
      default_kms_key_name = encryption.value
    }
  }

  dynamic "logging" {
    for_each = var.log_bucket[*]
    content {
      log_bucket = logging.value
    }
  }
}

resource "google_storage_managed_folder" "this" {
  for_each = var.folders

  bucket        = google_storage_bucket.this.name
  name          = "${each.key}/"
  force_destroy = var.deletable
}

resource "google_storage_managed_folder_iam_member" "this" {
  for_each = local.grants

  bucket         = google_storage_bucket.this.name
  managed_folder = google_storage_managed_folder.this[each.value.folder].name
  role           = local.roles[each.value.access]
  member         = each.value.member
}
