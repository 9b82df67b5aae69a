output "url" {
  description = "Address of the handler; it answers inside the project only."
  value       = google_cloud_run_v2_service.handler.uri
  depends_on  = [google_cloud_run_v2_service_iam_member.invoker]
}

output "topic" {
  description = "Topic that facts are published to, as projects/PROJECT/topics/NAME."
  value       = google_pubsub_topic.facts.id
  depends_on  = [google_pubsub_topic_iam_member.publisher, google_pubsub_subscription.handler]
}

output "audience" {
  description = "Audience of the tokens that the handler takes."
  value       = local.audience
}
