variable "environment" {
  description = "Name of the environment; the file with its values is named after it."
  type        = string

  validation {
    condition     = contains(["dev", "staging", "prod"], var.environment)
    error_message = "environment: wanted dev, staging or prod."
  }
}

variable "project" {
  description = "Id of the environment's project; each environment has one of its own."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project: wanted the id of your project; write it into the environment's .tfvars file."
  }
}

variable "region" {
  description = "Region of everything, as in europe-west1."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region: wanted a region such as europe-west1."
  }
}

variable "registry_project" {
  description = "Id of the project that owns the registry of all environments; the environment whose project it is creates it."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.registry_project))
    error_message = "registry_project: wanted the id of a project; write it into the environment's .tfvars file."
  }
}

variable "usecases" {
  description = "Use cases that run here -> the numeric id of the endpoint that serves them, at most ten digits; null: no endpoint."
  type        = map(string)

  validation {
    condition     = length(var.usecases) > 0 && alltrue([for name in keys(var.usecases) : can(regex("^[a-z][a-z0-9_]{0,40}$", name))])
    error_message = "usecases: wanted at least one, named as its folder below usecases/."
  }
}

variable "trigger_image" {
  description = "Image of the trigger handler, by digest; null until the first image is pushed: no trigger, no schedules."
  type        = string
  default     = null
}

variable "alert_emails" {
  description = "Addresses that alerts go to; with a budget, at most five."
  type        = set(string)

  validation {
    condition     = alltrue([for email in var.alert_emails : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", email))])
    error_message = "alert_emails: wanted your addresses; write them into the environment's .tfvars file."
  }
}

variable "budget" {
  description = "The billing account that pays, and what a month may cost at most in its currency; null: no budget."
  type = object({
    billing_account = string
    amount          = number
    currency        = optional(string, "USD")
  })
  default = null
}

variable "temporary_days" {
  description = "Days until the results of pipelines (artifacts/) are deleted from the bucket."
  type        = number

  validation {
    condition     = var.temporary_days >= 1
    error_message = "temporary_days: wanted at least 1."
  }
}

variable "expires" {
  description = "Day on which the schedules pause themselves, as in 2027-03-31; null: never, for environments that people depend on."
  type        = string
  default     = null
}

variable "protected" {
  description = "Whether `mlops cloud down` refuses to delete the bucket's objects and the services."
  type        = bool
  default     = true
}

variable "private_network" {
  description = "Whether steps and handler run in a network of their own without a way to the internet."
  type        = bool
  default     = false
}

variable "github" {
  description = "Numeric ids of the GitHub repository and its owner, and GitHub environment -> duties that its jobs may have; null: no workflow may do anything here."
  type = object({
    owner_id      = string
    repository_id = string
    gates         = map(set(string))
  })
  default = null

  validation {
    condition     = var.github == null || alltrue(flatten([for duties in try(values(var.github.gates), []) : [for duty in duties : contains(["deploy", "build"], duty)]]))
    error_message = "github: the duties for workflows are deploy and build; the others are for Google's services."
  }
}

variable "release_store" {
  description = "Where the releases and models of all environments are, as in gs://my-project-prod-mlops; null: this environment's bucket."
  type        = string
  default     = null

  validation {
    condition     = var.release_store == null || can(regex("^gs://[a-z0-9][a-z0-9._-]+[a-z0-9]$", var.release_store))
    error_message = "release_store: wanted the address of a bucket, such as gs://my-project-prod-mlops."
  }
}

variable "state_bucket" {
  description = "Bucket of Terraform's state; null: PROJECT-mlops-state, which `mlops cloud bootstrap` creates."
  type        = string
  default     = null
}
