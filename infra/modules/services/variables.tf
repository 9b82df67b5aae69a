variable "project" {
  description = "Id of the project whose APIs are enabled."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project: wanted a project id (6 to 30 lower-case letters, digits and hyphens), not its name or number."
  }
}

variable "services" {
  description = "APIs to enable, as in aiplatform.googleapis.com. One that was enabled stays so when it is left out."
  type        = set(string)

  validation {
    condition     = alltrue([for name in var.services : can(regex("^[a-z]+\\.googleapis\\.com$", name))])
    error_message = "services: wanted names such as aiplatform.googleapis.com."
  }
}

variable "project_number" {
  description = "Number of the project, by which Google names its service agents."
  type        = string

  validation {
    condition     = can(regex("^[0-9]+$", var.project_number))
    error_message = "project_number: wanted a number, not the project's id."
  }
}
