mock_provider "google" {
  source = "../../mocks"
}

variables {
  billing_account       = "012345-6789AB-CDEF01"
  project               = "mlops-test-dev"
  project_number        = "123456789012"
  amount                = 50
  notification_channels = ["projects/mlops-test-dev/notificationChannels/1"]
}

run "warns_before_the_money_is_spent" {
  assert {
    condition     = google_billing_budget.month.amount[0].specified_amount[0].units == "50"
    error_message = "The amount is the month's."
  }
  assert {
    condition     = contains([for rule in google_billing_budget.month.threshold_rules : rule.spend_basis], "FORECASTED_SPEND")
    error_message = "A forecast warns days earlier than what was spent."
  }
  assert {
    condition     = google_billing_budget.month.budget_filter[0].projects == toset(["projects/123456789012"])
    error_message = "Only this project's costs count."
  }
}

run "a_name_as_account_is_refused" {
  command = plan
  variables { billing_account = "my account" }
  expect_failures = [var.billing_account]
}

run "an_id_as_number_is_refused" {
  command = plan
  variables { project_number = "mlops-test-dev" }
  expect_failures = [var.project_number]
}

run "nothing_is_refused" {
  command = plan
  variables { amount = 0 }
  expect_failures = [var.amount]
}

run "a_sign_as_currency_is_refused" {
  command = plan
  variables { currency = "$" }
  expect_failures = [var.currency]
}

run "six_channels_are_refused" {
  command = plan
  variables { notification_channels = ["1", "2", "3", "4", "5", "6"] }
  expect_failures = [var.notification_channels]
}
