environment = "prod"
project     = "CHANGE-ME-prod" # the id of an empty project with a billing account
region      = "europe-west1"

# One registry for all environments, in the project that outlives the others.
registry_project = "CHANGE-ME-prod"

usecases = {
  flight_delay = "1001"
}

# Set it to the image's digest after the first push (mlops images push); the trigger and the schedules follow.
trigger_image = null

alert_emails = ["CHANGE-ME"]

# The account from `gcloud billing accounts list`:
#   budget = { billing_account = "012345-6789AB-CDEF01", amount = 500 }
budget = null

# From `gh api repos/OWNER/NAME --jq '.owner.id, .id'`:
#   github = { owner_id = "1", repository_id = "2", gates = { prod = ["deploy"], build = ["build"] } }
github = null

temporary_days  = 365
expires         = null # people depend on it
protected       = true
private_network = true
