# Stands in for Google's API in `terraform test`. What the provider checks by its form (accounts, members, resource
# names) must look real, or a test fails for the wrong reason.
mock_resource "google_service_account" {
  defaults = {
    email  = "mock-account@mock-project.iam.gserviceaccount.com"
    member = "serviceAccount:mock-account@mock-project.iam.gserviceaccount.com"
    name   = "projects/mock-project/serviceAccounts/mock-account@mock-project.iam.gserviceaccount.com"
  }
}

mock_resource "google_project_iam_custom_role" {
  defaults = { name = "projects/mock-project/roles/mock" }
}

mock_resource "google_iam_workload_identity_pool" {
  defaults = { name = "projects/123456789012/locations/global/workloadIdentityPools/github" }
}

mock_resource "google_iam_workload_identity_pool_provider" {
  defaults = { name = "projects/123456789012/locations/global/workloadIdentityPools/github/providers/actions" }
}

mock_resource "google_pubsub_topic" {
  defaults = { id = "projects/mock-project/topics/mock" }
}

mock_resource "google_cloud_run_v2_service" {
  defaults = { uri = "https://mlops-trigger-mock-uc.a.run.app" }
}

mock_resource "google_cloud_scheduler_job" {
  defaults = { id = "projects/mock-project/locations/europe-west1/jobs/mock" }
}

mock_resource "google_monitoring_notification_channel" {
  defaults = { id = "projects/mock-project/notificationChannels/1" }
}

mock_resource "google_vertex_ai_endpoint" {
  defaults = { id = "projects/mock-project/locations/europe-west1/endpoints/1001" }
}

mock_resource "google_compute_network_attachment" {
  defaults = { id = "projects/mock-project/regions/europe-west1/networkAttachments/mlops-pipelines" }
}

mock_data "google_project" {
  defaults = { number = "123456789012" }
}

mock_data "google_storage_project_service_account" {
  defaults = { member = "serviceAccount:service-123456789012@gs-project-accounts.iam.gserviceaccount.com" }
}
