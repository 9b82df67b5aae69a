variable "project" {
  description = "Id of the project."
  type        = string
}

variable "region" {
  description = "Region of the endpoints."
  type        = string
}

variable "endpoints" {
  description = "Use case -> numeric id of its endpoint, at most ten digits."
  type        = map(string)

  validation {
    condition     = alltrue([for id in var.endpoints : can(regex("^[1-9][0-9]{0,9}$", id))])
    error_message = "endpoints: wanted ids of at most ten digits, without zeros in front."
  }
}

variable "kms_key" {
  description = "Cloud KMS key that encrypts the endpoints' data; null: Google's own keys."
  type        = string
  default     = null
}

variable "psc_projects" {
  description = "Projects whose networks may reach the endpoints by Private Service Connect; empty: the endpoints are reached over Google's API, by IAM."
  type        = list(string)
  default     = []
}
