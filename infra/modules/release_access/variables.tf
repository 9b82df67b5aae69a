variable "bucket" {
  description = "Bucket of the environment that keeps the releases of all; its folders are there already."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._-]+[a-z0-9]$", var.bucket))
    error_message = "bucket: wanted the name of a bucket, without gs:// and without a folder."
  }
}

variable "folders" {
  description = "Folders of that bucket: access (read, write) -> a name for the plan -> IAM member of this environment."
  type        = map(map(map(string)))

  validation {
    condition     = alltrue([for folder in keys(var.folders) : contains(["models", "releases"], folder)])
    error_message = "folders: wanted models and releases; nothing else there is another environment's."
  }

  validation {
    condition     = alltrue(flatten([for accesses in var.folders : [for access in keys(accesses) : contains(["read", "write"], access)]]))
    error_message = "folders: wanted the access read or write."
  }

  validation {
    condition     = alltrue(flatten([for accesses in var.folders : [for members in accesses : [for member in members : startswith(member, "serviceAccount:")]]]))
    error_message = "folders: wanted members such as serviceAccount:name@project.iam.gserviceaccount.com."
  }
}
