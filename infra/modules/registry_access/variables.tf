variable "project" {
  description = "Id of the project that owns the registry; another environment's as a rule."
  type        = string
}

variable "location" {
  description = "Region of the registry."
  type        = string
}

variable "name" {
  description = "Prefix of the registry's repositories, as in its module."
  type        = string
  default     = "mlops"
}

variable "readers" {
  description = "IAM members that pull images and pipelines: accounts and service agents of one environment, by a name for the plan."
  type        = map(string)

  validation {
    condition     = alltrue([for member in var.readers : startswith(member, "serviceAccount:")])
    error_message = "readers: wanted members such as serviceAccount:name@project.iam.gserviceaccount.com."
  }
}
