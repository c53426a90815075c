# exit without a status: status 0.
# raises: SystemExit
# exits: 0
raise SystemExit
