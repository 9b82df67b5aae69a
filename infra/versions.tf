terraform {
  required_version = ">= 1.11, < 2.0"

  # Bucket and prefix come from -backend-config: `mlops cloud` derives them from the environment's project.
  backend "gcs" {}

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 7.45"
    }
  }
}

provider "google" {
  project = var.project
  region  = var.region

  default_labels = local.labels
}
