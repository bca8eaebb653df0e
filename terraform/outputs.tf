output "stack_outputs" {
  description = "All outputs of the stack, by name."
  value       = aws_cloudformation_stack.stepdrain.outputs
}

output "state_machine_arn" {
  description = "State machine of the drains."
  value       = aws_cloudformation_stack.stepdrain.outputs["StateMachineArn"]
}

output "notifications_topic_arn" {
  description = "Topic of failed drains and alarms."
  value       = aws_cloudformation_stack.stepdrain.outputs["NotificationsTopicArn"]
}
