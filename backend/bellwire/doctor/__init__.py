"""`bellwire doctor`: does a running service, here or on AWS, do what was intended?

What is intended is in `truth_table`, pure; `walk` tries it, by the cast that `casting` gathers;
`checkup` follows one update from end to end.
"""
