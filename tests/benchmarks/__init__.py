"""What `make bench` measures. Nothing here asserts a time; figures are printed, never invented."""
