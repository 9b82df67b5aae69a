environment = "staging"
project     = "CHANGE-ME-staging" # the id of an empty project with a billing account
region      = "europe-west1"

# One registry for all environments, in the project that outlives the others; name this project to try staging alone.
registry_project = "CHANGE-ME-prod"

usecases = {
  flight_delay = "1001"
}

# Set it to the image's digest after the first push (mlops images push); the trigger and the schedules follow.
trigger_image = null

alert_emails = ["CHANGE-ME"]

# The account from `gcloud billing accounts list`:
#   budget = { billing_account = "012345-6789AB-CDEF01", amount = 100 }
budget = null

# From `gh api repos/OWNER/NAME --jq '.owner.id, .id'`:
#   github = { owner_id = "1", repository_id = "2", gates = { staging = ["deploy"] } }
github = null

temporary_days  = 30
expires         = "2027-05-31" # the schedules pause themselves on this day
protected       = false
private_network = true
