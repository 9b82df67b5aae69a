variable "project" {
  description = "Id of the project that the accounts belong to and have their roles in."
  type        = string
}

variable "prefix" {
  description = "What the accounts' names begin with."
  type        = string
  default     = "mlops"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,15}$", var.prefix))
    error_message = "prefix: wanted 2 to 16 lower-case letters and digits, a letter first."
  }
}

variable "verbs" {
  description = "Verb of the command line -> the permissions that it needs."
  type        = map(set(string))

  validation {
    condition     = alltrue(flatten([for permissions in var.verbs : [for name in permissions : can(regex("^[a-z]+\\.[A-Za-z]+\\.[A-Za-z]+$", name))]]))
    error_message = "verbs: wanted permissions such as aiplatform.pipelineJobs.get; no wildcard."
  }
}

variable "duties" {
  description = "Account -> its verbs, its predefined roles besides, and the accounts of this map that it lets Google run things as."
  type = map(object({
    verbs   = set(string)
    roles   = set(string)
    acts_as = set(string)
  }))

  validation {
    condition     = alltrue(flatten([for duty in var.duties : [for role in duty.roles : !contains(["roles/owner", "roles/editor", "roles/viewer"], role)]]))
    error_message = "duties: the roles owner, editor and viewer are wider than any duty."
  }

  validation {
    condition     = alltrue(flatten([for duty in var.duties : [for name in duty.acts_as : contains(keys(var.duties), name)]]))
    error_message = "duties: acts_as names an account that is not in the map."
  }
}
