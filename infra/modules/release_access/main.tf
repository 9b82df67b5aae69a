locals {
  roles = {
    read  = "roles/storage.objectViewer"
    write = "roles/storage.objectUser"
  }

  grants = merge([
    for folder, accesses in var.folders : merge([
      for access, members in accesses : {
        for name, member in members : "${folder} ${access} ${name}" => { folder = folder, access = access, member = member }
      }
    ]...)
  ]...)
}

# Who applies this needs storage.managedFolders.setIamPolicy on these folders, nothing else in that project.
resource "google_storage_managed_folder_iam_member" "this" {
  for_each = local.grants

  bucket         = var.bucket
  managed_folder = "${each.value.folder}/"
  role           = local.roles[each.value.access]
  member         = each.value.member
}
