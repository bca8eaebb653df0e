# Made from template.yaml's parameters by `make terraform`; do not edit.

locals {
  parameters = {
    ClusterName             = var.cluster_name
    OtherClusterNames       = join(",", var.other_cluster_names)
    GroupNames              = join(",", var.group_names)
    GroupPrefix             = var.group_prefix
    HookName                = var.hook_name
    SkipManagedNodeGroups   = tostring(var.skip_managed_node_groups)
    SweepMinutes            = tostring(var.sweep_minutes)
    DrainOnSpotInterruption = tostring(var.drain_on_spot_interruption)
    DrainOnRebalance        = tostring(var.drain_on_rebalance)
    DrainOnHealthEvent      = tostring(var.drain_on_health_event)
    DrainOnMaintenance      = tostring(var.drain_on_maintenance)
    DrainOnCapacityEnd      = tostring(var.drain_on_capacity_end)
    DrainOnStateChange      = tostring(var.drain_on_state_change)
    CreateLifecycleHooks    = "false"
    HeartbeatTimeout        = tostring(var.heartbeat_timeout)
    HookDefaultResult       = var.hook_default_result
    MaxConcurrentDrains     = tostring(var.max_concurrent_drains)
    LaunchHookName          = var.launch_hook_name
    CreateLaunchHooks       = "false"
    AdmitTimeout            = tostring(var.admit_timeout)
    AdmitDaemonSets         = tostring(var.admit_daemon_sets)
    DrainTimeout            = tostring(var.drain_timeout)
    OnTimeout               = var.on_timeout
    BatchSize               = tostring(var.batch_size)
    GracePeriod             = tostring(var.grace_period)
    StuckAfter              = tostring(var.stuck_after)
    EvictUnmanaged          = tostring(var.evict_unmanaged)
    DeleteEmptyDirData      = tostring(var.delete_empty_dir_data)
    EvictDaemonSets         = tostring(var.evict_daemon_sets)
    WaitForVolumes          = tostring(var.wait_for_volumes)
    WaitForTargets          = var.wait_for_targets
    RollBlocked             = var.roll_blocked
    SettleTime              = tostring(var.settle_time)
    CreateAccessEntries     = tostring(var.create_access_entries)
    KubernetesGroupPrefix   = var.kubernetes_group_prefix
    AllowForce              = tostring(var.allow_force)
    SubnetIds               = join(",", var.subnet_ids)
    SecurityGroupIds        = join(",", var.security_group_ids)
    NotificationEmail       = var.notification_email
    NotifyAbout             = var.notify_about
    RunbookUrl              = var.runbook_url
    LongDrainMinutes        = tostring(var.long_drain_minutes)
    CreateDashboard         = tostring(var.create_dashboard)
    NodeConditions          = tostring(var.node_conditions)
    Architecture            = var.architecture
    LogRetentionDays        = tostring(var.log_retention_days)
    LogLevel                = var.log_level
    Tracing                 = tostring(var.tracing)
    PermissionsBoundaryArn  = var.permissions_boundary_arn
    KmsKeyArn               = var.kms_key_arn
    CodeSigningConfigArn    = var.code_signing_config_arn
    OnDelete                = var.on_delete
  }
}
