"""What the net is compared with: published rules and larger learners, all on the same samples."""
