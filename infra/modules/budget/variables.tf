variable "billing_account" {
  description = "Id of the billing account that pays for the project."
  type        = string

  validation {
    condition     = can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.billing_account))
    error_message = "billing_account: wanted an id such as 012345-6789AB-CDEF01."
  }
}

variable "project" {
  description = "Id of the project, for the budget's name."
  type        = string
}

variable "project_number" {
  description = "Number of the project: a budget's filter forgets ids."
  type        = string

  validation {
    condition     = can(regex("^[0-9]+$", var.project_number))
    error_message = "project_number: wanted a number, not the project's id."
  }
}

variable "amount" {
  description = "Whole units of `currency` a month that the project is meant to cost at most. A budget warns; it stops nothing."
  type        = number

  validation {
    condition     = var.amount >= 1 && floor(var.amount) == var.amount
    error_message = "amount: wanted a whole number, at least 1."
  }
}

variable "currency" {
  description = "Currency of the billing account."
  type        = string
  default     = "USD"

  validation {
    condition     = can(regex("^[A-Z]{3}$", var.currency))
    error_message = "currency: wanted a code such as USD or EUR."
  }
}

variable "notification_channels" {
  description = "Channels of Cloud Monitoring that are told beside the billing account's administrators; at most five."
  type        = list(string)

  validation {
    condition     = length(var.notification_channels) <= 5
    error_message = "notification_channels: a budget takes at most five."
  }
}
