# What the module asks for besides the template's own parameters (variables.tf).

variable "stack_name" {
  type        = string
  description = "Name of the CloudFormation stack."
  default     = "stepdrain"

  validation {
    condition     = can(regex("^[A-Za-z][0-9A-Za-z-]{0,69}$", var.stack_name))
    error_message = "It begins with a letter and has up to 70 letters, digits and hyphens: names of state machines begin with it, and end at 80."
  }
}

variable "release_dir" {
  type        = string
  description = "Folder into which the release's stepdrain-<version>.zip was unpacked: template.yaml and its artefacts."
}

variable "artifact_bucket" {
  type        = string
  description = "Bucket, in the same region, that the module uploads the release to."
}

variable "artifact_prefix" {
  type        = string
  description = "What stands before the artefacts' names in the bucket, with a slash at its end."
  default     = "stepdrain/"

  validation {
    condition     = can(regex("^$|^[^/].*/$", var.artifact_prefix))
    error_message = "It is empty, or ends in a slash and does not begin with one."
  }
}

variable "create_hooks" {
  type        = bool
  description = "Make a terminating lifecycle hook on each group of group_names."
  default     = true
}

variable "create_launch_hooks" {
  type        = bool
  description = "Make a launching lifecycle hook on each group of group_names, too."
  default     = false
}

variable "launch_hook_timeout" {
  type        = number
  description = "Seconds for which a made launching hook holds an instance."
  default     = 1200
}

variable "create_rbac" {
  type        = bool
  description = "Apply the manifests of manifests_dir with the kubernetes provider."
  default     = false
}

variable "manifests_dir" {
  type        = string
  description = "Folder into which the release's stepdrain-rbac-<version>.zip was unpacked; needed with create_rbac."
  default     = ""
}

variable "manifests" {
  type        = list(string)
  description = "Manifests to apply with create_rbac."
  default     = ["rbac.yaml", "force.yaml"]
}

variable "tags" {
  type        = map(string)
  description = "Tags of the stack and of all that it makes."
  default     = {}
}
