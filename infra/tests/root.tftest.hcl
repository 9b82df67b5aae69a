mock_provider "google" {
  source = "./mocks"
}

variables {
  environment      = "dev"
  project          = "mlops-test-dev"
  region           = "europe-west1"
  registry_project = "mlops-test-prod"
  usecases         = { flight_delay = "1001" }
  trigger_image    = "europe-west1-docker.pkg.dev/mlops-test-prod/mlops-images/mlops@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  alert_emails     = ["mlops@example.com"]
  temporary_days   = 14
  expires          = "2027-03-31"
  protected        = false
}

run "dev_uses_the_central_registry" {
  assert {
    condition     = length(module.registry) == 0 && output.mlops.registry == "europe-west1-docker.pkg.dev/mlops-test-prod/mlops-images"
    error_message = "Only the environment that owns the registry creates it; the address is the same for all."
  }
  assert {
    condition     = output.mlops.root == "gs://mlops-test-dev-mlops"
    error_message = "Data, models and artifacts are in the environment's own bucket."
  }
  assert {
    condition     = output.mlops.service_account != "" && output.trigger.url != "" && output.endpoints.flight_delay != ""
    error_message = "The outputs name everything that mlops needs."
  }
  assert {
    condition     = keys(module.schedule[0].jobs) == ["flight_delay/retrain"]
    error_message = "The schedules are those of the use case's config.yaml."
  }
  assert {
    condition     = length(output.workflows) == 0
    error_message = "Without `github` no workflow may do anything here."
  }
}

run "prod_owns_the_registry_and_nothing_of_it_is_deletable" {
  variables {
    environment     = "prod"
    project         = "mlops-test-prod"
    expires         = null
    protected       = true
    private_network = true
    budget          = { billing_account = "012345-6789AB-CDEF01", amount = 500 }
    github          = { owner_id = "1234", repository_id = "567890", gates = { prod = ["deploy"], build = ["build"] } }
  }
  assert {
    condition     = length(module.registry) == 1 && output.mlops.network_attachment != null
    error_message = "Registry and network are there."
  }
  assert {
    condition     = keys(output.workflows) == ["build", "prod"] && keys(output.workflows.build.accounts) == ["build"] && output.workflows.prod.provider != ""
    error_message = "Each GitHub environment gets the accounts of its own duties."
  }
  assert {
    condition     = output.workflows.prod.store == "gs://mlops-test-prod-mlops" && output.workflows.prod.registry == "europe-west1-docker.pkg.dev"
    error_message = "Workflows know where the releases and the images are."
  }
}

run "before_the_first_image_there_is_no_trigger" {
  command = plan
  variables { trigger_image = null }
  assert {
    condition     = length(module.trigger) == 0 && length(module.schedule) == 0 && output.trigger == null
    error_message = "A first apply needs no image."
  }
}

run "the_example_values_are_refused" {
  command = plan
  variables {
    project          = "CHANGE-ME-dev"
    registry_project = "CHANGE-ME-prod"
    alert_emails     = ["CHANGE-ME"]
  }
  expect_failures = [var.project, var.registry_project, var.alert_emails]
}

run "a_duty_of_googles_is_refused_to_workflows" {
  command = plan
  variables { github = { owner_id = "1", repository_id = "2", gates = { dev = ["pipelines"] } } }
  expect_failures = [var.github]
}

run "other_environments_no_use_case_and_no_days_are_refused" {
  command = plan
  variables {
    environment    = "test"
    region         = "Europe"
    usecases       = {}
    temporary_days = 0
  }
  expect_failures = [var.environment, var.region, var.usecases, var.temporary_days]
}

run "releases_in_another_environments_bucket_are_granted_there" {
  variables { release_store = "gs://mlops-test-prod-mlops" }
  assert {
    condition     = toset(module.release_access[0].grants) == toset(["models read serving", "models read vertex", "models write deploy", "releases write deploy"])
    error_message = "Who promotes writes releases and models, what serves reads models, and nobody else gets anything there."
  }
}

run "releases_in_the_own_bucket_need_no_grant" {
  command = plan
  variables { release_store = "gs://mlops-test-dev-mlops" }
  assert {
    condition     = length(module.release_access) == 0
    error_message = "The bucket's own folders are granted by its module."
  }
}

run "releases_outside_of_a_bucket_are_refused" {
  command = plan
  variables { release_store = "releases" }
  expect_failures = [var.release_store]
}
