# Made from template.yaml's parameters by `make terraform`; do not edit.

variable "cluster_name" {
  type        = string
  description = "Name of the EKS cluster whose nodes are drained."

  validation {
    condition     = can(regex("^(?:[0-9A-Za-z][0-9A-Za-z_-]{0,99})$", var.cluster_name))
    error_message = "It is the name of an EKS cluster, 1 to 100 letters, digits, hyphens and underscores."
  }
}

variable "other_cluster_names" {
  type        = list(string)
  description = "More clusters of this account and region, separated by commas, four as a rule. A group or an instance belongs to the one in its tag kubernetes.io/cluster/NAME."
  default     = []

  validation {
    condition     = alltrue([for item in var.other_cluster_names : can(regex("^(?:([0-9A-Za-z][0-9A-Za-z_-]{0,99})?)$", item))])
    error_message = "It is a list of names of EKS clusters, separated by commas."
  }
}

variable "group_names" {
  type        = list(string)
  description = "Auto Scaling groups, separated by commas. Empty together with GroupPrefix: every group with the tag of the cluster."
  default     = []

  validation {
    condition     = alltrue([for item in var.group_names : can(regex("^(?:([0-9A-Za-z!#%&'()+./;<=>@\\[\\]^_`{|}~-]{1,240})?)$", item))])
    error_message = "It is a list of group names of up to 240 characters, separated by commas; names with * ? $ \" or a backslash are not taken, serve such groups by GroupPrefix."
  }
}

variable "group_prefix" {
  type        = string
  description = "Auto Scaling groups whose names begin with this. Instead of GroupNames."
  default     = ""

  validation {
    condition     = can(regex("^(?:[0-9A-Za-z._/@+=-]{0,255})$", var.group_prefix))
    error_message = "It is the beginning of group names; wildcards are not taken."
  }
}

variable "hook_name" {
  type        = string
  description = "Name of the terminating lifecycle hook on the groups. Other hooks are never completed."
  default     = "stepdrain"

  validation {
    condition     = can(regex("^(?:[0-9A-Za-z_/-]{1,255})$", var.hook_name))
    error_message = "It is the name of a lifecycle hook, 1 to 255 letters, digits, hyphens, underscores and slashes."
  }
}

variable "skip_managed_node_groups" {
  type        = bool
  description = "Leave groups of EKS managed node groups alone, because EKS drains those itself."
  default     = true
}

variable "sweep_minutes" {
  type        = number
  description = "Minutes between two looks for instances that wait although no event has started their drain."
  default     = 5

  validation {
    condition     = var.sweep_minutes >= 2 && var.sweep_minutes <= 15
    error_message = "It is 2 to 15 minutes; a hook holds an instance for 20 minutes at least."
  }
}

variable "drain_on_spot_interruption" {
  type        = bool
  description = "Drain Spot instances when EC2 warns of their interruption, two minutes before it."
  default     = true
}

variable "drain_on_rebalance" {
  type        = bool
  description = "Drain Spot instances when EC2 recommends rebalancing, which comes earlier and often for nothing."
  default     = false
}

variable "drain_on_health_event" {
  type        = bool
  description = "Drain instances for which AWS Health announces an end, such as a retirement or a stop."
  default     = true
}

variable "drain_on_maintenance" {
  type        = bool
  description = "Drain instances half an hour before EC2 reboots or maintains them, and give their nodes back afterwards."
  default     = false
}

variable "drain_on_capacity_end" {
  type        = bool
  description = "Drain instances whose capacity reservation is interrupted or whose Capacity Block ends."
  default     = true
}

variable "drain_on_state_change" {
  type        = bool
  description = "Drain instances that stop or shut down without a drain before. Too late for a gracious one, and every instance of the account sends this event."
  default     = false
}

variable "heartbeat_timeout" {
  type        = number
  description = "Seconds for which a made hook holds an instance without a heartbeat."
  default     = 1800

  validation {
    condition     = var.heartbeat_timeout >= 1200 && var.heartbeat_timeout <= 7200
    error_message = "It is 1200 to 7200 seconds; a shorter hook could run out within one round of the drain."
  }
}

variable "hook_default_result" {
  type        = string
  description = "What a made hook does when nobody completes it in time. Both terminate the instance; ABANDON skips other hooks, and keeps the instance if the group has a retain policy."
  default     = "CONTINUE"

  validation {
    condition     = contains(["CONTINUE", "ABANDON"], var.hook_default_result)
    error_message = "It is one of: CONTINUE, ABANDON."
  }
}

variable "max_concurrent_drains" {
  type        = number
  description = "Drains of one group that may evict at the same time; the others are cordoned and wait for their turn. 0 is no limit, and no lease table."
  default     = 0

  validation {
    condition     = var.max_concurrent_drains >= 0 && var.max_concurrent_drains <= 1000
    error_message = "It is 0 (no limit) to 1000 drains."
  }
}

variable "launch_hook_name" {
  type        = string
  description = "Name of the launching lifecycle hook on the groups, if they have one."
  default     = "stepdrain-launch"

  validation {
    condition     = can(regex("^(?:[0-9A-Za-z_/-]{1,255})$", var.launch_hook_name))
    error_message = "It is the name of a lifecycle hook, 1 to 255 letters, digits, hyphens, underscores and slashes."
  }
}

variable "admit_timeout" {
  type        = number
  description = "Seconds within which a launching instance must have become a Ready node; else Auto Scaling replaces it."
  default     = 900

  validation {
    condition     = var.admit_timeout >= 60 && var.admit_timeout <= 7200
    error_message = "It is 60 to 7200 seconds, and counts only up to a minute before the hook's heartbeat timeout."
  }
}

variable "admit_daemon_sets" {
  type        = bool
  description = "Wait for the pods of a new node's DaemonSets, too."
  default     = false
}

variable "drain_timeout" {
  type        = number
  description = "Seconds a drain may take from its start or redrive. Auto Scaling ends every wait after 48 hours."
  default     = 3600

  validation {
    condition     = var.drain_timeout >= 60 && var.drain_timeout <= 172800
    error_message = "It is 60 to 172800 seconds (48 hours, the longest Auto Scaling waits)."
  }
}

variable "on_timeout" {
  type        = string
  description = "At DrainTimeout: fail (stop, tell somebody, keep the instance until its hook runs out), force (pods are asked to go in time for their grace, past their budgets if need be, and the instance goes a minute later), force-or-fail (the same, but keep the instance if pods are left), continue or abandon (let it go)."
  default     = "fail"

  validation {
    condition     = contains(["fail", "force", "force-or-fail", "continue", "abandon"], var.on_timeout)
    error_message = "It is one of: fail, force, force-or-fail, continue, abandon."
  }
}

variable "waiting" {
  type        = string
  description = "How a drain waits. watch: a function watches the cluster, so that the drain goes on at once, and holds one concurrent execution for each drain. poll: it looks every 10 to 30 seconds; for accounts with fewer than 200 concurrent executions."
  default     = "watch"

  validation {
    condition     = contains(["watch", "poll"], var.waiting)
    error_message = "It is one of: watch, poll."
  }
}

variable "max_watchers" {
  type        = number
  description = "Executions that WaitForPods, WaitForVolumes and WaitForNode may each hold at once, reserved for them, so that the account's other functions find room. Further drains poll. 0 reserves nothing, and is no limit."
  default     = 0

  validation {
    condition     = var.max_watchers >= 0 && var.max_watchers <= 10000
    error_message = "It is 0 (no limit) to 10000 executions."
  }
}

variable "batch_size" {
  type        = number
  description = "Evictions that one attempt may send."
  default     = 120

  validation {
    condition     = var.batch_size >= 1 && var.batch_size <= 1000
    error_message = "It is 1 to 1000 evictions."
  }
}

variable "grace_period" {
  type        = number
  description = "Seconds that each pod has to end. -1 leaves each pod its own terminationGracePeriodSeconds."
  default     = -1

  validation {
    condition     = var.grace_period >= -1 && var.grace_period <= 172800
    error_message = "It is -1 (the pod's own) or 0 to 172800 seconds."
  }
}

variable "stuck_after" {
  type        = number
  description = "Seconds past its grace period after which a pod is given up, if the kubelet of its node no longer answers."
  default     = 300

  validation {
    condition     = var.stuck_after >= 60 && var.stuck_after <= 172800
    error_message = "It is 60 to 172800 seconds; a kubelet that only restarts needs the first minute."
  }
}

variable "overdue_pods" {
  type        = string
  description = "What becomes of a pod that should have ended StuckAfter and five minutes ago, on a node that is Ready. wait: it is named, and holds the drain. give-up: the drain goes on without it, and names it in its result."
  default     = "wait"

  validation {
    condition     = contains(["wait", "give-up"], var.overdue_pods)
    error_message = "It is one of: wait, give-up."
  }
}

variable "evict_unmanaged" {
  type        = bool
  description = "Evict pods that no controller will start again (kubectl drain --force)."
  default     = true
}

variable "delete_empty_dir_data" {
  type        = bool
  description = "Evict pods with emptyDir volumes; that data is lost (kubectl drain --delete-emptydir-data)."
  default     = true
}

variable "evict_daemon_sets" {
  type        = bool
  description = "Evict DaemonSet pods too, after all others."
  default     = false
}

variable "wait_for_volumes" {
  type        = bool
  description = "Let the instance go only when the volumes of its evicted pods are detached."
  default     = true
}

variable "wait_for_targets" {
  type        = string
  description = "Let the instance go only when the cluster's load balancers have let go of it: auto (until they have), off, or for at most so many seconds after its last pod."
  default     = "auto"

  validation {
    condition     = can(regex("^(?:auto|off|[1-9][0-9]{0,2}|[12][0-9]{3}|3[0-5][0-9]{2}|3600)$", var.wait_for_targets))
    error_message = "It is auto, off, or 1 to 3600 seconds, the longest deregistration delay there is."
  }
}

variable "roll_blocked" {
  type        = string
  description = "Workloads that a drain restarts instead of evicting their pods: off, annotated (with stepdrain/roll), singletons (Deployments of one replica), or blocked (by a budget that can never allow an eviction). Needs kubernetes/roll.yaml in the cluster."
  default     = "off"

  validation {
    condition     = contains(["off", "annotated", "singletons", "blocked"], var.roll_blocked)
    error_message = "It is one of: off, annotated, singletons, blocked."
  }
}

variable "settle_time" {
  type        = number
  description = "Seconds between the load balancer label and the first eviction."
  default     = 0

  validation {
    condition     = var.settle_time >= 0 && var.settle_time <= 120
    error_message = "It is 0 to 120 seconds; more would not fit before the first heartbeat."
  }
}

variable "create_access_entries" {
  type        = bool
  description = "Make the EKS access entries that map the functions' roles to their Kubernetes groups. Say false for a cluster that still uses the aws-auth ConfigMap alone."
  default     = true
}

variable "kubernetes_group_prefix" {
  type        = string
  description = "Beginning of the names of the functions' Kubernetes groups, which kubernetes/*.yaml bind."
  default     = "stepdrain"
}

variable "allow_force" {
  type        = bool
  description = "Let EvictBatch delete pods past their budgets, where the policy says force or EC2 takes the instance. Needs kubernetes/force.yaml in the cluster."
  default     = true
}

variable "subnet_ids" {
  type        = list(string)
  description = "Subnets for the functions that talk to Kubernetes, separated by commas without blanks, if the cluster has no public endpoint. Empty: no function runs in a VPC."
  default     = []
}

variable "security_group_ids" {
  type        = list(string)
  description = "Security groups for these functions, separated by commas without blanks. They belong to SubnetIds."
  default     = []
}

variable "notification_email" {
  type        = string
  description = "Address that gets failed drains and alarms; it has to confirm once. Empty: nobody, until you subscribe something to the topic in the outputs."
  default     = ""

  validation {
    condition     = can(regex("^(?:([^@\\s]+@[^@\\s]+\\.[^@\\s]+)?)$", var.notification_email))
    error_message = "It is one e-mail address, or empty."
  }
}

variable "notify_about" {
  type        = string
  description = "Which drains a message is sent about: those that end without success (failures); also those that let pods go with the instance, deleted pods past their budgets, or never found a node (losses); or all (every-drain)."
  default     = "failures"

  validation {
    condition     = contains(["failures", "losses", "every-drain"], var.notify_about)
    error_message = "It is failures, losses or every-drain."
  }
}

variable "runbook_url" {
  type        = string
  description = "Page that messages link to, with a section for each error as docs/operations.md has. Empty: messages name the command that prints it."
  default     = ""

  validation {
    condition     = can(regex("^(?:(https://[^\\s#]+)?)$", var.runbook_url))
    error_message = "It is a URL that begins with https:// and has no fragment, or empty."
  }
}

variable "long_drain_minutes" {
  type        = number
  description = "Minutes after which a drain that still runs raises an alarm."
  default     = 45

  validation {
    condition     = var.long_drain_minutes >= 5 && var.long_drain_minutes <= 2880
    error_message = "It is 5 to 2880 minutes (48 hours)."
  }
}

variable "create_dashboard" {
  type        = bool
  description = "Make a CloudWatch dashboard of the drains."
  default     = true
}

variable "node_conditions" {
  type        = bool
  description = "Set the Node conditions DrainInProgress and Drained (KEP-5683). Needs kubernetes/node-conditions.yaml in the cluster."
  default     = false
}

variable "eviction_events" {
  type        = bool
  description = "Write a Kubernetes Event on each pod that is evicted, one request more for each."
  default     = false
}

variable "architecture" {
  type        = string
  description = "Processor of the functions. The one layer serves both."
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "It is one of: arm64, x86_64."
  }
}

variable "log_retention_days" {
  type        = number
  description = "Days for which logs are kept."
  default     = 90
}

variable "log_level" {
  type        = string
  description = "What the functions log. Tokens are logged at no level."
  default     = "INFO"

  validation {
    condition     = contains(["DEBUG", "INFO"], var.log_level)
    error_message = "It is one of: DEBUG, INFO."
  }
}

variable "tracing" {
  type        = bool
  description = "Trace executions and functions with X-Ray."
  default     = false
}

variable "permissions_boundary_arn" {
  type        = string
  description = "ARN of a permissions boundary for all roles of this stack, if your account demands one."
  default     = ""
}

variable "kms_key_arn" {
  type        = string
  description = "ARN of your own KMS key for logs, topic, queues, tables, state machines and environments. Empty: the stack makes a key for logs and topic, and AWS's own keys encrypt the rest."
  default     = ""
}

variable "code_signing_config_arn" {
  type        = string
  description = "ARN of a code signing configuration for the functions, if your account demands signed code."
  default     = ""

  validation {
    condition     = can(regex("^(?:(arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:code-signing-config:csc-[0-9a-z]{17})?)$", var.code_signing_config_arn))
    error_message = "It is the ARN of a code signing configuration of Lambda, or empty."
  }
}

variable "on_delete" {
  type        = string
  description = "What becomes of the log groups and the stack's key when the stack, or one of them, is deleted."
  default     = "Delete"

  validation {
    condition     = contains(["Delete", "Retain"], var.on_delete)
    error_message = "It is one of: Delete, Retain."
  }
}
