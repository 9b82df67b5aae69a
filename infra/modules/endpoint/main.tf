# Models are deployed and traffic is moved by `mlops`, with etags and checks between the steps, never by Terraform. An
# endpoint without a deployed model costs nothing.
resource "google_vertex_ai_endpoint" "this" {
  # checkov:skip=CKV2_GCP_24:a key of one's own is an option (kms_key)
  # checkov:skip=CKV2_GCP_33:a private endpoint is an option (psc_projects); a call needs an identity with IAM either way
  for_each = var.endpoints

  project                    = var.project
  location                   = var.region
  region                     = var.region
  name                       = each.value
  display_name               = each.key
  description                = "Predictions of ${each.key}"
  dedicated_endpoint_enabled = true

  dynamic "encryption_spec" {
    for_each = var.kms_key[*]
    content {
      kms_key_name = encryption_spec.value
    }
  }

  dynamic "private_service_connect_config" {
    for_each = length(var.psc_projects) > 0 ? [1] : []
    content {
      enable_private_service_connect = true
      project_allowlist              = var.psc_projects
    }
  }

  lifecycle {
    ignore_changes = [traffic_split]
  }
}
