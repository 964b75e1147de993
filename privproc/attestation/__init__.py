"""Evidence, policy, appraisal and the binder."""
