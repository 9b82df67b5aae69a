locals {
  # The fields of mlops/worlds/vertex/deployment.py. The handler in Cloud Run gets the same, so no value is typed twice.
  deployment = {
    project            = var.project
    region             = var.region
    root               = module.bucket.address
    service_account    = module.identity.emails["pipelines"]
    registry           = "${var.region}-docker.pkg.dev/${var.registry_project}/mlops-images"
    network_attachment = one(module.network[*].attachment)
    serving = {
      service_account = module.identity.emails["serving"]
      endpoints       = module.endpoint.endpoints
    }
  }
}

output "mlops" {
  description = "The deployment as `mlops ... --at vertex` reads it; `mlops cloud up` writes it into one file."
  value       = local.deployment
}

output "trigger" {
  description = "Address of the trigger handler and the topic that takes facts; null without trigger_image."
  value       = var.trigger_image == null ? null : { url = module.trigger[0].url, topic = module.trigger[0].topic }
}

output "endpoints" {
  description = "The endpoints' resource names by use case."
  value       = module.endpoint.endpoints
}

output "serving_account" {
  description = "The account that deployed models run as."
  value       = module.identity.emails["serving"]
}

output "pipeline_registry" {
  description = "Where compiled pipelines are uploaded to (kfp.registry.RegistryClient)."
  value       = "https://${var.region}-kfp.pkg.dev/${var.registry_project}/mlops-pipelines"
}

output "workflows" {
  description = "What the repository's workflows need, by GitHub environment; `mlops cloud connect` writes it there. Empty without `github`."
  value = {
    for gate, duties in var.github == null ? {} : var.github.gates : gate => {
      provider   = module.github[0].provider
      accounts   = { for duty in duties : duty => module.identity.emails[duty] if contains(keys(module.identity.emails), duty) }
      deployment = local.deployment
      registry   = "${var.region}-docker.pkg.dev"
      store      = coalesce(var.release_store, module.bucket.address)
    }
  }
}
