variable "project" {
  description = "Id of the project that owns the bucket."
  type        = string
}

variable "name" {
  description = "The bucket's name, unique in all of Cloud Storage."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]$", var.name))
    error_message = "name: wanted 3 to 63 lower-case letters, digits, hyphens and underscores (a dot would ask for a domain's proof)."
  }
}

variable "location" {
  description = "Region of the bucket; the same as that of the pipelines, so that reading costs no traffic between regions."
  type        = string
}

variable "folders" {
  description = "Folders with IAM of their own, by name: access (read, write) -> a name for the plan -> IAM member. Nothing is granted on the whole bucket."
  type        = map(map(map(string)))

  validation {
    condition     = alltrue([for name in keys(var.folders) : can(regex("^[a-z][a-z0-9_-]*$", name))])
    error_message = "folders: wanted names of one level, such as models, without a slash."
  }

  validation {
    condition     = alltrue(flatten([for grants in var.folders : [for access in keys(grants) : contains(["read", "write"], access)]]))
    error_message = "folders: wanted the access read or write."
  }
}

variable "temporary" {
  description = "Folders whose objects are deleted after some days: folder -> days."
  type        = map(number)
  default     = {}

  validation {
    condition     = alltrue([for days in var.temporary : days >= 1 && floor(days) == days])
    error_message = "temporary: wanted whole days, at least 1."
  }
}

variable "noncurrent_days" {
  description = "Days that a replaced or deleted object can be restored."
  type        = number
  default     = 30

  validation {
    condition     = var.noncurrent_days >= 1
    error_message = "noncurrent_days: wanted at least 1; without versions a wrong delete is final."
  }
}

variable "deletable" {
  description = "Whether `terraform destroy` deletes the bucket with all that is in it; for environments that hold nothing of value."
  type        = bool
  default     = false
}

variable "kms_key" {
  description = "Cloud KMS key that encrypts the objects; null: Google's own keys."
  type        = string
  default     = null
}

variable "log_bucket" {
  description = "Bucket that takes access logs; null: none, Cloud Audit Logs have the data access where they are switched on."
  type        = string
  default     = null
}
