# Nothing in here has an address of the internet or a way out to it; Google's APIs are reached inside Google's network.
resource "google_compute_network" "this" {
  # checkov:skip=CKV2_GCP_18:a network denies all that comes in unless a firewall rule allows it, and none does
  project                         = var.project
  name                            = var.name
  auto_create_subnetworks         = false
  delete_default_routes_on_create = false
}

resource "google_compute_subnetwork" "this" {
  # checkov:skip=CKV_GCP_76:the subnetwork has no IPv6 addresses
  project                  = var.project
  region                   = var.region
  name                     = var.name
  network                  = google_compute_network.this.id
  ip_cidr_range            = var.range
  stack_type               = "IPV4_ONLY"
  private_ip_google_access = true

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.1
    metadata             = "EXCLUDE_ALL_METADATA"
  }
}

# What the steps of a pipeline are attached by (Private Service Connect interface): no peering, no reserved range.
resource "google_compute_network_attachment" "pipelines" {
  project               = var.project
  region                = var.region
  name                  = "${var.name}-pipelines"
  connection_preference = "ACCEPT_AUTOMATIC"
  subnetworks           = [google_compute_subnetwork.this.id]
}
