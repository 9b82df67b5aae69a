locals {
  labels = {
    part-of     = "ml-in-production"
    environment = var.environment
    managed-by  = "terraform"
  }

  table         = yamldecode(file("${path.module}/permissions.yaml"))
  owns_registry = var.project == var.registry_project

  configurations = {
    for usecase in keys(var.usecases) : usecase => yamldecode(file("${path.module}/../usecases/${usecase}/config.yaml"))
  }
  # A custom job runs as the account that creates it: the only reason to act as oneself.
  has_worker_pools = anytrue([
    for settings in local.configurations : try(settings.train_model.distribution.vertex != null, false)
  ])
  # A build pushes where the registry is; elsewhere there is nothing that it could do.
  duties = {
    for name, duty in local.table.duties : name => merge(duty, {
      acts_as = [for other in duty.acts_as : other if other != name || local.has_worker_pools]
    }) if name != "build" || local.owns_registry
  }

  bucket        = "${var.project}-mlops"
  owns_releases = var.release_store == null || var.release_store == "gs://${local.bucket}"

  # folder -> access -> duty -> member, from the table's duty -> folder -> access
  folders = {
    for folder in toset(flatten([for duty in local.duties : keys(duty.folders)])) : folder => {
      for access in ["read", "write"] : access => {
        for name, duty in local.duties : name => module.identity.members[name] if lookup(duty.folders, folder, "") == access
      }
    }
  }

  schedules = merge([
    for usecase, settings in local.configurations : {
      for name, schedule in lookup(settings, "schedules", {}) : "${usecase}/${name}" => schedule.cron
    }
  ]...)
}

data "google_project" "this" {
  project_id = var.project
}

data "google_storage_project_service_account" "this" {
  project = module.services.project
}

module "services" {
  source = "./modules/services"

  project        = var.project
  project_number = data.google_project.this.number
  services = [
    "aiplatform.googleapis.com",
    "artifactregistry.googleapis.com",
    "billingbudgets.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "cloudscheduler.googleapis.com",
    "compute.googleapis.com",
    "iam.googleapis.com",
    "iamcredentials.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "pubsub.googleapis.com",
    "run.googleapis.com",
    "storage.googleapis.com",
    "sts.googleapis.com",
  ]
}

module "identity" {
  source = "./modules/identity"

  project = module.services.project
  verbs   = local.table.verbs
  duties  = local.duties
}

module "bucket" {
  source = "./modules/bucket"

  project   = module.services.project
  name      = local.bucket
  location  = var.region
  folders   = local.folders
  temporary = { artifacts = var.temporary_days }
  deletable = !var.protected
}

# Releases and models of all environments are in one bucket: who promotes to this environment writes there, and what
# serves here reads the models.
module "release_access" {
  source = "./modules/release_access"
  count  = local.owns_releases ? 0 : 1

  bucket = trimprefix(coalesce(var.release_store, "gs://"), "gs://")
  folders = {
    releases = { write = { deploy = module.identity.members["deploy"] } }
    models = {
      read = {
        serving = module.identity.members["serving"]
        vertex  = module.services.agents.aiplatform # copies a model when it is uploaded
      }
      write = { deploy = module.identity.members["deploy"] }
    }
  }
}

module "registry" {
  source = "./modules/registry"
  count  = local.owns_registry ? 1 : 0

  project  = module.services.project
  location = var.region
  writers  = { build = module.identity.members["build"] }
}

module "registry_access" {
  source     = "./modules/registry_access"
  depends_on = [module.registry]

  project  = var.registry_project
  location = var.region
  readers = {
    vertex    = module.services.agents.aiplatform
    run       = module.services.agents.run
    pipelines = module.identity.members["pipelines"]
    serving   = module.identity.members["serving"]
    deploy    = module.identity.members["deploy"]
  }
}

module "github" {
  source = "./modules/github"
  count  = var.github == null ? 0 : 1

  project       = module.services.project
  owner_id      = var.github.owner_id
  repository_id = var.github.repository_id
  gates = {
    for environment, duties in var.github.gates : environment => { for duty in duties : duty => module.identity.names[duty] }
  }
}

module "alerts" {
  source = "./modules/alerts"

  project = module.services.project
  emails  = var.alert_emails
}

module "budget" {
  source = "./modules/budget"
  count  = var.budget == null ? 0 : 1

  project               = module.services.project
  project_number        = data.google_project.this.number
  billing_account       = var.budget.billing_account
  amount                = var.budget.amount
  currency              = var.budget.currency
  notification_channels = module.alerts.channels
}

module "network" {
  source = "./modules/network"
  count  = var.private_network ? 1 : 0

  project = module.services.project
  region  = var.region
}

module "endpoint" {
  source = "./modules/endpoint"

  project   = module.services.project
  region    = var.region
  endpoints = { for usecase, id in var.usecases : usecase => id if id != null }
}

module "trigger" {
  source = "./modules/trigger"
  count  = var.trigger_image == null ? 0 : 1

  project         = module.services.project
  region          = var.region
  image           = var.trigger_image
  usecases        = keys(var.usecases)
  service_account = module.identity.emails["trigger"]
  invoker         = module.identity.emails["invoker"]
  pubsub_agent    = module.services.agents.pubsub
  publishers = {
    storage   = data.google_storage_project_service_account.this.member
    scheduler = module.services.agents.cloudscheduler
    pipelines = module.identity.members["pipelines"]
    deploy    = module.identity.members["deploy"]
  }
  bucket                = module.bucket.name
  journal               = "${module.bucket.address}/triggers"
  environment           = { MLOPS_DEPLOYMENT = jsonencode(local.deployment) }
  notification_channels = module.alerts.channels
  subnetwork            = one(module.network[*].subnetwork)
  protected             = var.protected

  depends_on = [module.registry_access]
}

module "schedule" {
  source = "./modules/schedule"
  count  = var.trigger_image == null ? 0 : 1

  project        = module.services.project
  region         = var.region
  schedules      = local.schedules
  topic          = module.trigger[0].topic
  expires        = var.expires
  expiry_account = module.identity.emails["expiry"]
}
