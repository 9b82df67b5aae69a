variable "project" {
  description = "Id of the project."
  type        = string
}

variable "emails" {
  description = "Addresses that alerts go to."
  type        = set(string)

  validation {
    condition     = length(var.emails) > 0 && alltrue([for email in var.emails : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", email))])
    error_message = "emails: wanted at least one address, such as mlops@example.com."
  }
}
