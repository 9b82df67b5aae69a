locals {
  permissions = {
    for name, duty in var.duties : name => sort(distinct(flatten([for verb in duty.verbs : tolist(var.verbs[verb])])))
    if length(duty.verbs) > 0
  }

  roles = merge([
    for name, duty in var.duties : { for role in duty.roles : "${name} ${role}" => { duty = name, role = role } }
  ]...)

  acts_as = merge([
    for name, duty in var.duties : { for other in duty.acts_as : "${name} as ${other}" => { duty = name, other = other } }
  ]...)
}

resource "google_service_account" "this" {
  for_each = var.duties

  project      = var.project
  account_id   = "${var.prefix}-${each.key}"
  display_name = "mlops: ${each.key}"
}

# A custom role's name cannot be used again for 37 days after it was deleted; it takes no hyphen.
resource "google_project_iam_custom_role" "this" {
  for_each = local.permissions

  project     = var.project
  role_id     = "${var.prefix}_${each.key}"
  title       = "mlops: ${each.key}"
  description = join(", ", var.duties[each.key].verbs)
  permissions = each.value
}

resource "google_project_iam_member" "custom" {
  for_each = local.permissions

  project = var.project
  role    = google_project_iam_custom_role.this[each.key].name
  member  = google_service_account.this[each.key].member
}

resource "google_project_iam_member" "predefined" {
  for_each = local.roles

  project = var.project
  role    = each.value.role
  member  = google_service_account.this[each.value.duty].member
}

resource "google_service_account_iam_member" "acts_as" {
  for_each = local.acts_as

  service_account_id = google_service_account.this[each.value.other].name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.this[each.value.duty].member
}
