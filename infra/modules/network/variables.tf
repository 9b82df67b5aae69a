variable "project" {
  description = "Id of the project."
  type        = string
}

variable "region" {
  description = "Region of the subnetwork."
  type        = string
}

variable "name" {
  description = "Name of the network and of what belongs to it."
  type        = string
  default     = "mlops"

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,50}[a-z0-9])?$", var.name))
    error_message = "name: wanted lower-case letters, digits and hyphens, a letter first."
  }
}

variable "range" {
  description = "Private addresses of the subnetwork; at least a /26, because every step that runs at a time takes one."
  type        = string
  default     = "10.20.0.0/20"

  validation {
    condition     = can(cidrhost(var.range, 0)) && try(tonumber(split("/", var.range)[1]) <= 26, false)
    error_message = "range: wanted a range such as 10.20.0.0/20, /26 or larger."
  }
}
