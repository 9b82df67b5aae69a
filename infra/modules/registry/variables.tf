variable "project" {
  description = "Id of the project that owns the two repositories: one for all environments, so that digests and addresses are equal everywhere."
  type        = string
}

variable "location" {
  description = "Region of the repositories."
  type        = string
}

variable "name" {
  description = "Prefix of the repositories' names."
  type        = string
  default     = "mlops"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,50}$", var.name))
    error_message = "name: wanted lower-case letters, digits and hyphens, a letter first."
  }
}

variable "writers" {
  description = "IAM members that push images and pipelines: the build, and nobody else."
  type        = map(string)
  default     = {}
}

variable "untagged_days" {
  description = "Days until an image without a tag is deleted. Images with a tag stay; a release tags its images."
  type        = number
  default     = 30

  validation {
    condition     = var.untagged_days >= 1
    error_message = "untagged_days: wanted at least 1."
  }
}

variable "kms_key" {
  description = "Cloud KMS key that encrypts the repositories; null: Google's own keys."
  type        = string
  default     = null
}
