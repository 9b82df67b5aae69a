output "channels" {
  description = "Notification channels for the alerts of other modules and for the budget."
  value       = [for channel in google_monitoring_notification_channel.email : channel.id]
}
