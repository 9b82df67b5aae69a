variable "project" {
  description = "Id of the project that trusts the repository's workflows."
  type        = string
}

variable "owner_id" {
  description = "Numeric id of the repository's owner: gh api users/OWNER --jq .id. A name can be taken over by others, an id cannot."
  type        = string

  validation {
    condition     = can(regex("^[0-9]+$", var.owner_id))
    error_message = "owner_id: wanted a number: gh api users/OWNER --jq .id"
  }
}

variable "repository_id" {
  description = "Numeric id of the repository: gh api repos/OWNER/NAME --jq .id."
  type        = string

  validation {
    condition     = can(regex("^[0-9]+$", var.repository_id))
    error_message = "repository_id: wanted a number: gh api repos/OWNER/NAME --jq .id"
  }
}

variable "gates" {
  description = "GitHub environment -> a name for the plan -> resource name of an account that its jobs may become. The environment's reviewers and branch policy are the gate."
  type        = map(map(string))

  validation {
    condition     = alltrue([for name in keys(var.gates) : can(regex("^[a-z0-9-]{1,64}$", name))])
    error_message = "gates: wanted environments named with lower-case letters, digits and hyphens."
  }
}

variable "pool" {
  description = "Id of the workload identity pool; one that was deleted keeps its id for 30 days."
  type        = string
  default     = "github"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{3,31}$", var.pool)) && !startswith(var.pool, "gcp-")
    error_message = "pool: wanted 4 to 32 lower-case letters, digits and hyphens, not beginning with gcp-."
  }
}
