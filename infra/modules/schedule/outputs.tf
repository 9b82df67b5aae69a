output "jobs" {
  description = "The jobs' names by schedule."
  value       = { for name, job in google_cloud_scheduler_job.slot : name => job.id }
}
