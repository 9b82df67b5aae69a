locals {
  # What `mlops ... --at vertex` reads; the handler in Cloud Run gets the same, so no value is typed twice.
  settings = {
    environment       = var.environment
    project           = var.project
    region            = var.region
    store             = module.bucket.address
    root              = "${module.bucket.address}/pipelines"
    service_account   = module.identity.emails["pipelines"]
    serving_account   = module.identity.emails["serving"]
    registry          = "${var.region}-docker.pkg.dev/${var.registry_project}/mlops-images"
    pipeline_registry = "https://${var.region}-kfp.pkg.dev/${var.registry_project}/mlops-pipelines"
    network           = one(module.network[*].attachment)
    endpoints         = module.endpoint.endpoints
    labels            = { environment = var.environment }
  }
}

output "settings" {
  description = "Settings of the Vertex world, which `mlops cloud up` writes into one file."
  value = merge(local.settings, {
    trigger_url   = one(module.trigger[*].url)
    trigger_topic = one(module.trigger[*].topic)
  })
}

output "workload_identity_provider" {
  description = "Provider for google-github-actions/auth; null without `github`."
  value       = one(module.github[*].provider)
}

output "workflow_accounts" {
  description = "Accounts that workflows become, by duty."
  value       = { for duty in ["deploy", "build"] : duty => module.identity.emails[duty] if contains(keys(module.identity.emails), duty) }
}
