mock_provider "google" {
  source = "../../mocks"
}

variables {
  project = "mlops-test-dev"
  region  = "europe-west1"
}

run "reaches_google_and_nobody_else" {
  assert {
    condition     = google_compute_subnetwork.this.private_ip_google_access && google_compute_subnetwork.this.stack_type == "IPV4_ONLY"
    error_message = "Google's APIs are reached without an address of the internet."
  }
  assert {
    condition     = !google_compute_network.this.auto_create_subnetworks
    error_message = "A subnetwork in every region is more than is used."
  }
}

run "a_range_too_small_is_refused" {
  command = plan
  variables { range = "10.20.0.0/28" }
  expect_failures = [var.range]
}

run "a_name_in_capitals_is_refused" {
  command = plan
  variables { name = "MLOps" }
  expect_failures = [var.name]
}
