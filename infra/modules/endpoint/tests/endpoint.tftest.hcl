mock_provider "google" {
  source = "../../mocks"
}

variables {
  project   = "mlops-test-dev"
  region    = "europe-west1"
  endpoints = { flight_delay = "1001" }
}

run "an_endpoint_a_use_case" {
  assert {
    condition     = google_vertex_ai_endpoint.this["flight_delay"].name == "1001" && output.endpoints.flight_delay != ""
    error_message = "The use case's endpoint is found by its name."
  }
}

run "a_name_as_id_is_refused" {
  command = plan
  variables { endpoints = { flight_delay = "flight-delay" } }
  expect_failures = [var.endpoints]
}
