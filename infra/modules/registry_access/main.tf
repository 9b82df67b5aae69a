locals {
  grants = merge([
    for repository in ["images", "pipelines"] : {
      for name, member in var.readers : "${repository} ${name}" => { repository = repository, member = member }
    }
  ]...)
}

# Who applies this needs artifactregistry.repositories.setIamPolicy on the two repositories, nothing else in that project.
resource "google_artifact_registry_repository_iam_member" "reader" {
  for_each = local.grants

  project    = var.project
  location   = var.location
  repository = "${var.name}-${each.value.repository}"
  role       = "roles/artifactregistry.reader"
  member     = each.value.member
}
