# The released application as one CloudFormation stack. Terraform makes the lifecycle hooks, so the stack
# is told not to: whoever makes a hook must be the only one (parameters.tf).

data "aws_region" "current" {}

resource "aws_s3_object" "artifact" {
  for_each = fileset(var.release_dir, "*")

  bucket      = var.artifact_bucket
  key         = "${var.artifact_prefix}${each.value}"
  source      = "${var.release_dir}/${each.value}"
  source_hash = filesha256("${var.release_dir}/${each.value}")
}

resource "aws_cloudformation_stack" "stepdrain" {
  name         = var.stack_name
  template_url = "https://${var.artifact_bucket}.s3.${data.aws_region.current.name}.amazonaws.com/${aws_s3_object.artifact["template.yaml"].key}"
  capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
  tags         = var.tags

  parameters = merge(local.parameters, {
    ArtifactBucket = var.artifact_bucket
    ArtifactPrefix = var.artifact_prefix
  })

  lifecycle {
    precondition {
      condition     = length(fileset(var.release_dir, "template.yaml")) == 1
      error_message = "release_dir holds no template.yaml: unpack the release's stepdrain-<version>.zip there."
    }
  }

  depends_on = [aws_s3_object.artifact]
}

# Hooks last: an instance that waits behind a hook before the stack is ready waits for nobody.
resource "aws_autoscaling_lifecycle_hook" "terminating" {
  for_each = var.create_hooks ? toset(var.group_names) : toset([])

  name                   = var.hook_name
  autoscaling_group_name = each.value
  lifecycle_transition   = "autoscaling:EC2_INSTANCE_TERMINATING"
  heartbeat_timeout      = var.heartbeat_timeout
  default_result         = var.hook_default_result

  depends_on = [aws_cloudformation_stack.stepdrain, kubernetes_manifest.rbac]
}

resource "aws_autoscaling_lifecycle_hook" "launching" {
  for_each = var.create_launch_hooks ? toset(var.group_names) : toset([])

  name                   = var.launch_hook_name
  autoscaling_group_name = each.value
  lifecycle_transition   = "autoscaling:EC2_INSTANCE_LAUNCHING"
  heartbeat_timeout      = var.launch_hook_timeout
  default_result         = "CONTINUE"

  depends_on = [aws_cloudformation_stack.stepdrain, kubernetes_manifest.rbac]
}
