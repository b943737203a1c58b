"""`bellwire doctor`: does a running service, here or on AWS, do what was intended?

What is intended is in `truth_table`, pure; `walk` tries it, by the cast that `casting` gathers;
`checkup` follows one update and one login from end to end, `stack` begins at a CloudFormation
stack, and `causes` knows where to look when a step fails.
"""
