variable "project" {
  description = "Id of the project."
  type        = string
}

variable "region" {
  description = "Region of the jobs."
  type        = string
}

variable "schedules" {
  description = "USECASE/NAME -> cron, five fields in UTC, as in the use cases' config.yaml."
  type        = map(string)

  validation {
    condition     = alltrue([for name in keys(var.schedules) : can(regex("^[a-z][a-z0-9_]{0,40}/[a-z][a-z0-9_]{0,20}$", name))])
    error_message = "schedules: wanted names such as flight_delay/retrain."
  }

  validation {
    condition     = alltrue([for cron in var.schedules : length(split(" ", cron)) == 5])
    error_message = "schedules: wanted five fields, such as 0 6 2 * *."
  }
}

variable "topic" {
  description = "Topic that takes the facts, as projects/PROJECT/topics/NAME."
  type        = string

  validation {
    condition     = can(regex("^projects/[^/]+/topics/[^/]+$", var.topic))
    error_message = "topic: wanted projects/PROJECT/topics/NAME."
  }
}

variable "look_minutes" {
  description = "Minutes between two looks of the handler at what waits."
  type        = number
  default     = 5

  validation {
    condition     = contains([1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30], var.look_minutes)
    error_message = "look_minutes: wanted minutes that an hour can be divided by, 30 at most."
  }
}

variable "paused" {
  description = "Whether the schedules stand still."
  type        = bool
  default     = false
}

variable "expires" {
  description = "Day on which the schedules pause themselves (UTC), as in 2027-03-31; null: never."
  type        = string
  default     = null

  validation {
    condition     = var.expires == null || can(formatdate("YYYY", "${var.expires}T00:00:00Z"))
    error_message = "expires: wanted a day such as 2027-03-31."
  }
}

variable "expiry_account" {
  description = "Address of the account that pauses the schedules; needed with `expires`."
  type        = string
  default     = null

  validation {
    condition     = var.expires == null || var.expiry_account != null
    error_message = "expiry_account: wanted the account that pauses the schedules on the day in `expires`."
  }
}
