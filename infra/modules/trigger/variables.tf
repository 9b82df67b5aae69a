variable "project" {
  description = "Id of the project."
  type        = string
}

variable "region" {
  description = "Region of the service and of the messages."
  type        = string
}

variable "name" {
  description = "Name of the Cloud Run service."
  type        = string
  default     = "mlops-trigger"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,47}[a-z0-9]$", var.name))
    error_message = "name: wanted lower-case letters, digits and hyphens, a letter first."
  }
}

variable "image" {
  description = "Image of `mlops`, by digest."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9.-]+/[^@]+@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image: wanted REGISTRY/NAME@sha256:DIGEST; a tag can be moved to other code."
  }
}

variable "usecases" {
  description = "Use cases whose facts may start runs."
  type        = set(string)

  validation {
    condition     = length(var.usecases) > 0 && alltrue([for name in var.usecases : can(regex("^[a-z][a-z0-9_]{0,40}$", name))])
    error_message = "usecases: wanted at least one, named as its folder below usecases/."
  }
}

variable "service_account" {
  description = "Address of the account that the handler runs as."
  type        = string

  validation {
    condition     = endswith(var.service_account, ".iam.gserviceaccount.com")
    error_message = "service_account: wanted an account of its own, name@project.iam.gserviceaccount.com; the default accounts may do too much."
  }
}

variable "invoker" {
  description = "Address of the account whose token Pub/Sub sends with each push."
  type        = string

  validation {
    condition     = endswith(var.invoker, ".iam.gserviceaccount.com")
    error_message = "invoker: wanted an account of its own, name@project.iam.gserviceaccount.com."
  }
}

variable "publishers" {
  description = "IAM members that publish facts, by a name for the plan: service agents of Cloud Storage and Cloud Scheduler, the drift monitor."
  type        = map(string)
}

variable "pubsub_agent" {
  description = "Pub/Sub's service agent as an IAM member; it moves messages to the dead letters."
  type        = string
}

variable "bucket" {
  description = "Bucket in which new objects below data/ are facts."
  type        = string
}

variable "journal" {
  description = "Folder of the bucket that holds facts and decisions, as gs://BUCKET/FOLDER; the handler's account writes it."
  type        = string

  validation {
    condition     = can(regex("^gs://[^/]+/.*[^/]$", var.journal))
    error_message = "journal: wanted gs://BUCKET/FOLDER."
  }
}

variable "environment" {
  description = "Environment variables of the handler. No secret."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.environment) : !can(regex("(?i)secret|password|token|key", name))])
    error_message = "environment: a secret does not belong into an environment variable that everybody who can see the service reads."
  }
}

variable "notification_channels" {
  description = "Channels of Cloud Monitoring that the alerts go to."
  type        = list(string)

  validation {
    condition     = length(var.notification_channels) > 0
    error_message = "notification_channels: wanted at least one; dead letters that nobody hears of are lost facts."
  }
}

variable "subnetwork" {
  description = "Subnetwork that the handler's own requests leave through; null: none."
  type        = string
  default     = null
}

variable "protected" {
  description = "Whether the service must be unprotected before it can be destroyed."
  type        = bool
  default     = true
}
